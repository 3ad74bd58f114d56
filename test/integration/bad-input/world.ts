/** What bad input must leave as it is: everything that the API shows, and what paths may name in it. */
import type { Reply, TestServer } from '../../fixtures/server.ts'
import type { Operation, Places } from './calls.ts'

const scim = '/api/2.0/preview/scim/v2'
const postgres = '/api/2.0/postgres'
const branch = 'projects/store/branches/production'

/** Names of the document's examples, as they are called here. */
export const localNames = (role: string, backups: string) => (text: string) =>
  text
    .replaceAll('/mnt/backups/app', backups)
    .replaceAll('projects/app/branches/again', branch)
    .replaceAll('projects/app/branches/dev', branch)
    .replaceAll('projects/app', 'projects/store')
    .replaceAll('snapshots/before-release', 'snapshots/kept')
    .replaceAll(`${branch}/roles/jane-doe`, `${branch}/roles/${role}`)

/** Makes the identities that paths of SCIM name. */
export async function populate(server: TestServer): Promise<Places> {
  const make = async (kind: string, body: object): Promise<string> =>
    (await server.api('POST', `${scim}/${kind}`, body)).body?.id ?? 'absent'
  const ids: Readonly<Record<string, string>> = {
    Users: await make('Users', { userName: 'kim@example.com' }),
    ServicePrincipals: await make('ServicePrincipals', { displayName: 'robot' }),
    Groups: await make('Groups', { displayName: 'crew' }),
  }
  await server.write('POST', 'projects/store/snapshots?snapshot_id=kept', {
    spec: { source_branch: branch, no_expiry: true },
  })
  const { body } = await server.api('GET', `${postgres}/${branch}/roles`)
  const role = body.roles?.[0]?.role_id ?? 'absent'
  return ({ path }: Operation) => ({
    project: 'store',
    branch: 'production',
    endpoint: 'primary',
    role,
    database: 'databricks-postgres',
    resource: 'absent',
    operation: 'absent',
    instance: 'absent',
    snapshot: 'kept',
    token: 'absent',
    secret: 'absent',
    webhook: 'absent',
    account: 'absent',
    principal: ids.ServicePrincipals ?? '',
    id: ids[/\/(Users|ServicePrincipals|Groups)\//.exec(path)?.[1] ?? ''] ?? 'absent',
  })
}

/** What may move by itself: readings of sizes and of activity. */
const moving = new Set([
  'compute_last_active_time',
  'current_state',
  'history', // begins a moment after the branch
  'last_active_time',
  'logical_size_bytes',
  'pending_state',
  'state_change_time',
])

export async function everything(server: TestServer): Promise<unknown> {
  const lists = [
    `${postgres}/projects?show_deleted=true`,
    `${postgres}/projects/store/branches?show_deleted=true`,
    `${postgres}/projects/store/snapshots`,
    `${postgres}/${branch}/endpoints`,
    `${postgres}/${branch}/roles`,
    `${postgres}/${branch}/databases`,
    `${postgres}/${branch}/snapshot-schedule`,
    `${scim}/Users`,
    `${scim}/ServicePrincipals`,
    `${scim}/Groups`,
    '/api/2.0/permissions/database-projects/store',
    '/api/2.0/token-management/tokens',
  ]
  const replies = await Promise.all(lists.map((path) => server.api('GET', path)))
  return replies.map(({ status, body }, index) => [
    lists[index],
    status,
    status < 400 ? still(body) : 0,
  ])
}

function still(value: Reply['body']): unknown {
  if (Array.isArray(value)) return value.map(still)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !moving.has(key))
      .map(([key, held]) => [key, still(held)]),
  )
}
