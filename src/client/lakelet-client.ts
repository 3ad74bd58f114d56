/**
 * Typed client of the published API. It knows the contract alone, so it works against Lakelet and
 * against anything else that serves it.
 */
import { type Clock, type Millis, millis, minutes, systemClock } from '../lib/time.ts'
import { version } from '../lib/version.ts'
import type { AccessTokenSource } from './access-token.ts'
import { OperationFailed, WaitTimedOut } from './api-error.ts'
import {
  apiRoot,
  asOperation,
  asResource,
  pathOf,
  ResourceCollection,
} from './resource-collection.ts'
import type {
  Binding,
  Branch,
  CollectPlan,
  CurrentUser,
  Database,
  DatabaseCredential,
  Endpoint,
  Operation,
  Project,
  ResetPreview,
  Role,
  RolePassword,
  Snapshot,
  SnapshotSchedule,
} from './resources.ts'
import { type ApiRequest, type Body, type Reply, Transport } from './transport.ts'

export const userAgent = `lakelet/${version}`

export interface ClientOptions {
  readonly host: string
  readonly token: AccessTokenSource
  readonly clock?: Clock
  /** The coding agent that this program acts for; the server's audit log names it. */
  readonly agent?: string
  readonly trace?: (line: string) => void
}

export interface WaitOptions {
  /** How long to wait in all; default 30 minutes. */
  readonly patience?: Millis
  /** How the length reads in the refusal when it runs out. */
  readonly sayPatience?: string
  /** Told of each answer of the server. */
  readonly onLook?: (operation: Operation) => void
}

export class LakeletClient {
  readonly projects: ResourceCollection<Project>
  readonly branches: ResourceCollection<Branch>
  readonly endpoints: ResourceCollection<Endpoint>
  readonly roles: ResourceCollection<Role>
  readonly databases: ResourceCollection<Database>
  readonly snapshots: ResourceCollection<Snapshot>
  readonly #bindings: ResourceCollection<Binding>
  readonly #transport: Transport

  constructor({ host, token, clock = systemClock, agent, trace }: ClientOptions) {
    const transport = new Transport({
      host,
      token,
      clock,
      userAgent,
      ...(agent === undefined ? {} : { agent }),
      ...(trace === undefined ? {} : { trace }),
    })
    this.#transport = transport
    this.projects = new ResourceCollection(transport, 'projects', 'project_id')
    this.branches = new ResourceCollection(transport, 'branches', 'branch_id')
    this.endpoints = new ResourceCollection(transport, 'endpoints', 'endpoint_id')
    this.roles = new ResourceCollection(transport, 'roles', 'role_id')
    this.databases = new ResourceCollection(transport, 'databases', 'database_id')
    this.#bindings = new ResourceCollection(transport, 'bindings', '')
    this.snapshots = new ResourceCollection(transport, 'snapshots', 'snapshot_id')
  }

  get host(): string {
    return this.#transport.host
  }

  /** Any method and path of the API. */
  send(request: ApiRequest): Promise<Reply> {
    return this.#transport.send(request)
  }

  /** Who the token belongs to. */
  async me(): Promise<CurrentUser> {
    const path = '/api/2.0/preview/scim/v2/Me'
    return asResource<CurrentUser>((await this.send({ method: 'GET', path })).json)
  }

  async generateDatabaseCredential(body: Body): Promise<DatabaseCredential> {
    const reply = await this.send({ method: 'POST', path: `${apiRoot}/credentials`, body })
    return asResource<DatabaseCredential>(reply.json)
  }

  /** A new password for a role that logs in by one. `name` is the role's full name. */
  async renewRolePassword(name: string): Promise<RolePassword> {
    const path = `${pathOf(name)}/renew-password`
    return asResource<RolePassword>((await this.send({ method: 'POST', path, body: {} })).json)
  }

  async getSnapshotSchedule(name: string): Promise<SnapshotSchedule> {
    return asResource((await this.send({ method: 'GET', path: pathOf(name) })).json)
  }

  /** An operation or, from servers of an earlier contract, the schedule itself. */
  async updateSnapshotSchedule(
    name: string,
    mask: string,
    body: Body,
  ): Promise<Operation | SnapshotSchedule> {
    const query = { update_mask: mask }
    return asResource((await this.send({ method: 'PATCH', path: pathOf(name), query, body })).json)
  }

  /** A new root branch, filled from another Postgres. */
  async importBranch(project: string, branchId: string, body: Body): Promise<Operation> {
    const query = { branch_id: branchId }
    const path = `${pathOf(project)}/import-branch`
    return asOperation((await this.send({ method: 'POST', path, query, body })).json)
  }

  /** Bytes of a tar; an error in the middle of it, when not all of it came. `name` is the branch's. */
  exportBranch(name: string): Promise<AsyncIterable<Uint8Array>> {
    return this.#transport.open({ method: 'POST', path: `${pathOf(name)}/export` })
  }

  /** A verb on a resource that is no create, update or delete: `verify` of a branch, say. */
  async act(name: string, verb: string, body: Body = {}): Promise<Operation> {
    const path = `${pathOf(name)}/${verb}`
    return asOperation((await this.send({ method: 'POST', path, body })).json)
  }

  /** What such a verb would do: `dry_run` changes nothing. */
  async previewReset(
    name: string,
    verb: 'reset' | 'restore',
    body: Readonly<Record<string, unknown>>,
  ): Promise<ResetPreview> {
    const request = { method: 'POST', path: `${pathOf(name)}/${verb}` } as const
    return asResource((await this.send({ ...request, body: { ...body, dry_run: true } })).json)
  }

  /** `name` is the branch's. */
  async bindBranch(name: string, body: Body): Promise<Binding> {
    const path = `${pathOf(name)}/bindings`
    return asResource((await this.send({ method: 'POST', path, body })).json)
  }

  /** Those of one machine. */
  listBindings(project: string, host: string): AsyncGenerator<Binding, void, undefined> {
    return this.#bindings.list(project, { host })
  }

  async noteFindings(
    project: string,
    body: Body,
  ): Promise<{ readonly branches?: readonly CollectPlan[] }> {
    const path = `${pathOf(project)}/bindings/findings`
    return asResource((await this.send({ method: 'POST', path, body })).json)
  }

  async getOperation(name: string): Promise<Operation> {
    return asOperation((await this.send({ method: 'GET', path: pathOf(name) })).json)
  }

  /**
   * The response of a finished operation. The first look is at once, since the server holds the
   * question for up to 2 s while the work goes on; after that the pauses grow from 50 ms to 1 s.
   */
  async wait(
    operation: Operation,
    { patience = minutes(30), sayPatience = '30m', onLook }: WaitOptions = {},
  ): Promise<unknown> {
    const { clock } = this.#transport
    const end = clock.monotonic() + patience
    let current = operation
    for (let pause = 25; ; pause = Math.min(pause * 2, 1000)) {
      if (current.done === true) return responseOf(current)
      const left = end - clock.monotonic()
      if (left <= 0) throw new WaitTimedOut(operation.name, sayPatience)
      if (current !== operation) await clock.sleep(millis(Math.min(pause, left)))
      current = await this.getOperation(operation.name)
      onLook?.(current)
    }
  }
}

function responseOf({ name, error, response }: Operation): unknown {
  if (error !== undefined && error !== null) {
    throw new OperationFailed(
      name,
      error.error_code ?? 'UNKNOWN',
      error.message ?? 'no message',
      error.details ?? [],
    )
  }
  if (response === undefined || response === null) {
    throw new Error('operation completed but no response available')
  }
  return response
}
