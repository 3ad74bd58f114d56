/**
 * The standard methods of one kind of resource (Google AIP-131 to 135 and 164): the same shape for
 * each kind, so written once.
 */
import type { Operation } from './resources.ts'
import type { Body, Transport } from './transport.ts'

export const apiRoot = '/api/2.0/postgres'

export interface ListOptions {
  readonly pageSize?: number
  /** Where to begin: a token from an earlier list. */
  readonly pageToken?: string
  readonly showDeleted?: boolean
  /** Of bindings: of one machine alone. */
  readonly host?: string
}

export interface DeleteOptions {
  readonly purge?: boolean
  /** Of a role: who owns what it owned. */
  readonly reassignOwnedTo?: string | undefined
}

export class ResourceCollection<T> {
  readonly #transport: Transport
  readonly #plural: string
  readonly #idField: string

  constructor(transport: Transport, plural: string, idField: string) {
    this.#transport = transport
    this.#plural = plural
    this.#idField = idField
  }

  /** `parent` is empty for what has none, `id` where the server chooses. The body is the bare resource. */
  async create(
    parent: string,
    id: string,
    body: Body,
    { replaceExisting = false }: { readonly replaceExisting?: boolean } = {},
  ): Promise<Operation> {
    const reply = await this.#transport.send({
      method: 'POST',
      path: this.#listPath(parent),
      query: { [this.#idField]: id, replace_existing: replaceExisting },
      body,
    })
    return asOperation(reply.json)
  }

  async get(name: string): Promise<T> {
    return asResource<T>((await this.#transport.send({ method: 'GET', path: pathOf(name) })).json)
  }

  /** All pages, one after another, item by item. */
  async *list(parent: string, options: ListOptions = {}): AsyncGenerator<T, void, undefined> {
    let token = options.pageToken ?? ''
    for (;;) {
      const { json } = await this.#transport.send({
        method: 'GET',
        path: this.#listPath(parent),
        query: {
          page_size: options.pageSize,
          page_token: token,
          show_deleted: options.showDeleted,
          host: options.host,
        },
      })
      const page = (json ?? {}) as Readonly<Record<string, unknown>>
      const items = page[this.#plural]
      if (Array.isArray(items)) yield* items as T[]
      const next = typeof page.next_page_token === 'string' ? page.next_page_token : ''
      if (next === '') return
      if (next === token) throw new Error('the server gave the same page token twice')
      token = next
    }
  }

  async update(name: string, mask: string, body: Body): Promise<Operation> {
    const reply = await this.#transport.send({
      method: 'PATCH',
      path: pathOf(name),
      query: { update_mask: mask },
      body,
    })
    return asOperation(reply.json)
  }

  async delete(
    name: string,
    { purge = false, reassignOwnedTo }: DeleteOptions = {},
  ): Promise<Operation> {
    const reply = await this.#transport.send({
      method: 'DELETE',
      path: pathOf(name),
      query: { purge, reassign_owned_to: reassignOwnedTo },
    })
    return asOperation(reply.json)
  }

  async undelete(name: string): Promise<Operation> {
    const reply = await this.#transport.send({
      method: 'POST',
      path: `${pathOf(name)}/undelete`,
      body: {},
    })
    return asOperation(reply.json)
  }

  #listPath(parent: string): string {
    return parent === '' ? `${apiRoot}/${this.#plural}` : `${pathOf(parent)}/${this.#plural}`
  }
}

/** Slashes stay; what would end the path early (`?`, `#`, spaces) is escaped. */
export const pathOf = (name: string): string =>
  `${apiRoot}/${name.split('/').map(encodeURIComponent).join('/')}`

export function asOperation(json: unknown): Operation {
  if (typeof json === 'object' && json !== null && 'name' in json) return json as Operation
  throw new Error('the server answered with something that is not an operation')
}

export function asResource<T>(json: unknown): T {
  if (typeof json === 'object' && json !== null) return json as T
  throw new Error('the server answered with something that is not a JSON object')
}
