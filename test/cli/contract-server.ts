/** A tiny server that answers as the contract says, and remembers what it was asked. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  /** `METHOD /path?query`. */
  readonly line: string
  readonly body: string
  readonly authorization: string
}

export interface ContractServer {
  readonly host: string
  readonly port: number
  readonly asked: Asked[]
  /** Overrides the answer to a `METHOD /path` without its query. */
  readonly answers: Map<string, { readonly status: number; readonly body: unknown }>
  close(): Promise<void>
}

const api = '/api/2.0/postgres/'

export async function startContractServer(): Promise<ContractServer> {
  const asked: Asked[] = []
  const answers: ContractServer['answers'] = new Map()
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const { method = '', url = '' } = request
      const { authorization = '' } = request.headers
      asked.push({ line: `${method} ${url}`, body, authorization })
      const address = new URL(url, 'http://any')
      const answer =
        answers.get(`${method} ${address.pathname}`) ?? usual(method, address.pathname, address)
      response.writeHead(answer.status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(answer.body))
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return {
    host: `http://127.0.0.1:${port}`,
    port,
    asked,
    answers,
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

/** Writes give a pending operation, whose first look is done; reads give the resource. */
function usual(method: string, path: string, { searchParams }: URL) {
  if (path === '/api/2.0/preview/scim/v2/Me') return ok({ id: '1', userName: 'jane@example.com' })
  if (path === `${api}credentials`) {
    return ok({ token: 'a.b.c', expire_time: '2026-11-23T09:00:00Z' })
  }
  if (!path.startsWith(api)) {
    return {
      status: 404,
      body: { error_code: 'ENDPOINT_NOT_FOUND', message: `No API found for '${method} ${path}'` },
    }
  }
  const name = path.slice(api.length)
  const [, subject = '', id = ''] = /^(.*)\/operations\/(.*)$/.exec(name) ?? []
  if (subject !== '') {
    const response =
      id === 'delete' ? { '@type': 'type.googleapis.com/google.protobuf.Empty' } : { name: subject }
    return ok({ name, done: true, metadata: { '@type': 'any' }, response })
  }
  if (method === 'GET')
    return ok(/(^|\/)[a-z]+s$/.test(name) ? pages(name, searchParams) : { name })
  const target = name.replace(/\/(undelete|reset|restore)$/, '')
  const made = ['project', 'branch', 'endpoint', 'role', 'database', 'snapshot'].map(
    (kind) => searchParams.get(`${kind}_id`) ?? '',
  )
  const resource = method === 'POST' && target === name ? `${name}/${made.join('')}` : target
  return ok({ name: `${resource}/operations/${method.toLowerCase()}`, done: false, metadata: {} })
}

/** Five items, two a page. */
function pages(name: string, query: URLSearchParams) {
  const from = Number(query.get('page_token') ?? 0)
  const items = [1, 2, 3, 4, 5].map((n) => ({ name: `${name}/item-${n}` })).slice(from, from + 2)
  const next = from + 2 < 5 ? { next_page_token: String(from + 2) } : {}
  return { [name.slice(name.lastIndexOf('/') + 1)]: items, ...next }
}

const ok = (body: unknown) => ({ status: 200, body })
