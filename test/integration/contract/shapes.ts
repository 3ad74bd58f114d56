/** What the tests of the contract share: shapes of answers, and short ways to ask for them. */
import { expect } from 'vitest'
import type { Reply, TestServer } from '../../fixtures/server.ts'

export type ServerOf = () => TestServer

export const api = '/api/2.0/postgres'
export const store = 'projects/store'
export const production = `${store}/branches/production`

export const timestamp = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/
export const lsn = /^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/
export const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Absent fields matter as much as present ones, so answers are compared by all their keys. */
export const keysOf = (value: object): readonly string[] =>
  Object.keys(value)
    .filter((key) => key !== 'history') // ours, and there a moment after its branch
    .sort()

export const projectKeys = ['create_time', 'name', 'project_id', 'status', 'uid', 'update_time']
export const projectStatusKeys = [
  'branch_logical_size_limit_bytes',
  'compute_last_active_time',
  'default_branch',
  'default_endpoint_settings',
  'display_name',
  'enable_pg_native_login',
  'history_retention_duration',
  'owner',
  'pg_version',
  'project_id',
  'synthetic_storage_size_bytes',
]
export const branchKeys = [
  'branch_id',
  'create_time',
  'name',
  'parent',
  'status',
  'uid',
  'update_time',
]
export const rootStatusKeys = [
  'branch_id',
  'current_state',
  'default',
  'durability', // ours
  'is_protected',
  'logical_size_bytes',
  'state_change_time',
]
export const childStatusKeys = [
  ...rootStatusKeys,
  'source_branch',
  'source_branch_lsn',
  'source_branch_time',
].sort()
export const endpointKeys = [
  'create_time',
  'endpoint_id',
  'name',
  'parent',
  'status',
  'uid',
  'update_time',
]
export const endpointStatusKeys = [
  'autoscaling_limit_max_cu',
  'autoscaling_limit_min_cu',
  'current_state',
  'disabled',
  'endpoint_id',
  'endpoint_type',
  'group',
  'hosts',
  'last_active_time',
  'settings',
  'suspend_timeout_duration',
]

type Subject = 'Project' | 'Branch' | 'Endpoint' | 'Role' | 'Database'

/** The first answer of a write: an operation, by its own name below the resource (contract 2.1). */
export function expectOperation(reply: Reply, resource: string, subject: Subject): string {
  expect(reply.status, JSON.stringify(reply.body)).toBe(200)
  const { name, done, metadata } = reply.body
  expect(name).toMatch(new RegExp(`^${resource}/operations/[A-Za-z0-9+/=-]+$`))
  expect(typeof done).toBe('boolean')
  expect(metadata['@type']).toBe(
    `type.googleapis.com/databricks.postgres.v1.${subject}OperationMetadata`,
  )
  return name
}

export const empty = { '@type': 'type.googleapis.com/google.protobuf.Empty' }

export interface Refusal {
  readonly status: number
  readonly code: string
  readonly message: string | RegExp
}

/** A refusal as the clients' SDKs read it (contract 7.1). */
export function expectRefusal(reply: Reply, { status, code, message }: Refusal): void {
  expect([reply.status, reply.body.error_code], JSON.stringify(reply.body)).toEqual([status, code])
  if (typeof message === 'string') expect(reply.body.message).toBe(message)
  else expect(reply.body.message).toMatch(message)
  for (const detail of reply.body.details) {
    expect(detail['@type']).toMatch(/^type\.googleapis\.com\/google\.rpc\./)
    // The JavaScript SDK enumerates it on each.
    expect(typeof detail.metadata).toBe('object')
  }
  const request = reply.body.details.at(-1)
  expect(request).toMatchObject({ '@type': 'type.googleapis.com/google.rpc.RequestInfo' })
  expect(request.request_id).toMatch(uuid)
  expect(request.serving_data).toBe('')
}

export const notFound = (
  kind: 'project' | 'branch' | 'endpoint' | 'role' | 'database' | 'operation',
): Refusal => ({
  status: 404,
  code: 'NOT_FOUND',
  message: new RegExp(`^${kind} id not found \\[TraceId: [0-9a-f]{32}\\]$`),
})

/** What Terraform and bundles take for "it goes with its parent" (contract 7.4). */
export const managedByParent = {
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason: 'RESOURCE_CONFLICT',
  domain: 'databricks.com',
  metadata: { declarative_context: 'MANAGED_BY_PARENT' },
}

export const ask = (server: TestServer) => ({
  get: (name: string) => server.api('GET', `${api}/${name}`),
  post: (name: string, body: unknown = {}) => server.api('POST', `${api}/${name}`, body),
  patch: (name: string, body: unknown) => server.api('PATCH', `${api}/${name}`, body),
  remove: (name: string) => server.api('DELETE', `${api}/${name}`),
  /** GET that must succeed. */
  async read(name: string): Promise<Reply['body']> {
    const reply = await server.api('GET', `${api}/${name}`)
    expect(reply.status, JSON.stringify(reply.body)).toBe(200)
    return reply.body
  },
})
