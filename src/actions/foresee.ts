/**
 * What a branch will hold when everything is done that was accepted for it: what Postgres has now, and
 * the writes that wait, applied in their order. So of two creates of one id that arrive together the
 * second is refused at once, and what waits to be made can be named by the next write. Pure.
 */
import type { DatabaseId, RoleId } from '../domain/names.ts'
import type { JsonObject, WorkRow } from '../ports/catalog.ts'
import type { BranchContents } from '../ports/role-resources.ts'

export interface Foreseen {
  /** Names in Postgres by id. */
  readonly roles: ReadonlyMap<RoleId, string>
  readonly databases: ReadonlyMap<DatabaseId, string>
  /** Nothing waits that could change roles or databases. */
  readonly isSettled: boolean
}

export function foresee(
  contents: Pick<BranchContents, 'roles' | 'databases'>,
  waiting: readonly Pick<WorkRow, 'kind' | 'input'>[],
): Foreseen {
  const roles = new Map(contents.roles.map((role) => [role.roleId, role.postgresRole]))
  const databases = new Map(contents.databases.map((d) => [d.databaseId, d.postgresDatabase]))
  let isSettled = true
  for (const { kind, input } of waiting) {
    const change = changes[kind]
    if (change === undefined) continue
    isSettled = false
    change(input, { roles, databases })
  }
  return { roles, databases, isSettled }
}

interface Held {
  readonly roles: Map<RoleId, string>
  readonly databases: Map<DatabaseId, string>
}

const roleOf = (input: JsonObject) => input.roleId as RoleId
const databaseOf = (input: JsonObject) => input.databaseId as DatabaseId

const changes: Readonly<Record<string, (input: JsonObject, held: Held) => void>> = {
  'create-role': (input, { roles }) => roles.set(roleOf(input), String(input.postgresRole)),
  'update-role': () => undefined,
  'delete-role': (input, { roles }) => roles.delete(roleOf(input)),
  'create-database': (input, { databases }) =>
    databases.set(databaseOf(input), String(input.postgresDatabase)),
  'update-database': (input, { databases }) => {
    const name = input.postgresDatabase
    if (typeof name === 'string' && databases.has(databaseOf(input))) {
      databases.set(databaseOf(input), name)
    }
  },
  'delete-database': (input, { databases }) => databases.delete(databaseOf(input)),
}
