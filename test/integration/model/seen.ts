/** What a client sees of the projects of a sequence: read from the server, and said by the model. */
import type { Reply, TestServer } from '../../fixtures/server.ts'
import { ask, lsn } from '../contract/shapes.ts'
import type { Branch, World } from './world.ts'

/** Sorted lines: what differs is easy to find in them. */
type Lines = readonly string[]

const line = (name: string, shown: unknown): string => `${name} ${JSON.stringify(shown)}`

export function expected(world: World, prefix: string): Lines {
  const lines = Object.entries(world).flatMap(([id, project]) => {
    const name = `projects/${prefix}-${id}`
    const { isDeleted, displayName } = project
    if (isDeleted) return [line(name, { isDeleted: true })]
    const nameOfDefault = project.live.find(({ uid }) => uid === project.defaultUid)?.id
    return [
      line(name, {
        displayName: displayName === id ? `${prefix}-${id}` : displayName,
        default: nameOfDefault,
      }),
      ...project.deleted.map((branch) => branchLine(name, branch, { state: 'DELETED' })),
      ...project.live.flatMap((branch) => [
        branchLine(name, branch, { state: 'READY', default: branch.uid === project.defaultUid }),
        ...Object.entries(branch.endpoints).map(([endpoint, shown]) =>
          line(`${name}/branches/${branch.id}/endpoints/${endpoint}`, [
            shown.isReader,
            shown.minCu,
            shown.maxCu,
            shown.suspendAfter ?? 'never',
            shown.isDisabled,
          ]),
        ),
        ...Object.entries(branch.roles).map(([role, shown]) =>
          line(`${name}/branches/${branch.id}/roles/${role}`, [
            shown.name,
            shown.createdb,
            shown.isMember,
          ]),
        ),
        ...Object.entries(branch.databases).map(([database, shown]) =>
          line(`${name}/branches/${branch.id}/databases/${database}`, [shown.name, shown.owner]),
        ),
      ]),
    ]
  })
  return lines.sort()
}

const branchLine = (project: string, branch: Branch, state: object): string =>
  line(`${project}/branches/${branch.id}`, {
    default: false,
    ...state,
    source: branch.source?.id ?? 'none',
    isProtected: branch.isProtected,
    expires: branch.expires,
  })

/** `owner`: the id of the role of who made the projects. */
export async function seen(server: TestServer, prefix: string, owner: string): Promise<Lines> {
  const { read, get } = ask(server)
  const { projects } = await read('projects?show_deleted=true')
  const lines: string[] = []
  for (const project of projects as readonly Reply['body'][]) {
    const { name, status, delete_time } = project
    if (!name.startsWith(`projects/${prefix}-`)) continue
    if (delete_time !== undefined) {
      lines.push(line(name, { isDeleted: true }))
      if ((await get(name)).status !== 404) lines.push(`${name} is deleted and can be read`)
      continue
    }
    lines.push(
      line(name, {
        displayName: status.display_name,
        default: status.default_branch?.split('/').at(-1),
      }),
    )
    const { branches } = await read(`${name}/branches?show_deleted=true`)
    const each: Lines[] = await Promise.all(
      branches.map((branch: Reply['body']) => seenOfBranch(server, branch, owner)),
    )
    lines.push(...each.flat())
  }
  return lines.sort()
}

async function seenOfBranch(
  server: TestServer,
  { name, status }: Reply['body'],
  owner: string,
): Promise<Lines> {
  const { read } = ask(server)
  const shown = line(name, {
    default: status.default,
    state: status.current_state,
    source: status.source_branch?.split('/').at(-1) ?? 'none',
    isProtected: status.is_protected,
    expires: status.expire_time !== undefined,
  })
  if (status.current_state === 'DELETED') return [shown]
  const hasPoint = lsn.test(status.source_branch_lsn ?? '')
  const [endpoints, roles, databases] = await Promise.all(
    (['endpoints', 'roles', 'databases'] as const).map(
      async (kind): Promise<readonly Reply['body'][]> => (await read(`${name}/${kind}`))[kind],
    ),
  )
  return [
    shown,
    ...(hasPoint === (status.source_branch !== undefined) ? [] : [`${name} has no point`]),
    ...(endpoints ?? []).map((endpoint) =>
      line(endpoint.name, [
        endpoint.status.endpoint_type === 'ENDPOINT_TYPE_READ_ONLY',
        endpoint.status.autoscaling_limit_min_cu,
        endpoint.status.autoscaling_limit_max_cu,
        endpoint.status.suspend_timeout_duration ?? 'never',
        endpoint.status.disabled,
      ]),
    ),
    ...(roles ?? [])
      .filter(({ role_id }) => role_id !== owner)
      .map((role) =>
        line(role.name, [
          role.status.postgres_role,
          role.status.attributes.createdb,
          role.status.membership_roles !== undefined,
        ]),
      ),
    ...(databases ?? [])
      .filter(({ database_id }) => database_id !== 'databricks-postgres')
      .map((database) =>
        line(database.name, [
          database.status.postgres_database,
          database.status.role.split('/').at(-1),
        ]),
      ),
  ]
}
