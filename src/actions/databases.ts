/** Databases of a branch: reads, and writes judged before they are queued (role-kinds.ts does them). */
import { type DatabaseResource, renderDatabase } from '../domain/database.ts'
import { deriveDatabaseId } from '../domain/derived-id.ts'
import { Fault } from '../domain/faults.ts'
import {
  type BranchPath,
  type DatabaseId,
  type DatabasePath,
  databaseName,
} from '../domain/names.ts'
import type { OperationResource } from '../domain/operation.ts'
import { databaseNameProblem } from '../domain/sql-name.ts'
import type { Caller, CreateDatabase, DatabaseSpec, Listing, Page } from './actions.ts'
import { type Accepted, acceptWrite, lookInto, type Scene } from './branch-contents.ts'
import type { Prepared } from './fleet.ts'
import type { Foreseen } from './foresee.ts'
import { mayAddDatabase } from './limits.ts'
import { pageOf } from './read.ts'
import { findRole, mayChangeOf } from './roles.ts'
import type { Services } from './services.ts'

export async function getDatabase(
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: DatabasePath,
): Promise<DatabaseResource> {
  const { contents } = await lookInto(services, prepared, caller, path, 'getDatabase')
  const database = contents.databases.find(({ databaseId }) => databaseId === path.database)
  if (database === undefined) throw new Fault('DATABASE_NOT_FOUND')
  return renderDatabase(database, path)
}

export async function listDatabases(
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: BranchPath,
  page: Page,
): Promise<Listing<DatabaseResource>> {
  const { contents, branch } = await lookInto(services, prepared, caller, path, 'listDatabases')
  const { items, nextPageToken } = pageOf(
    `databases of ${branch.uid}`,
    contents.databases,
    page,
    ({ databaseId }) => databaseId,
  )
  return { items: items.map((database) => renderDatabase(database, path)), nextPageToken }
}

export const createDatabase = (
  services: Services,
  prepared: Prepared,
  caller: Caller,
  input: CreateDatabase,
): Promise<OperationResource> =>
  acceptWrite(
    services,
    prepared,
    caller,
    { path: input.branch, deed: 'createDatabase' },
    async (scene, foreseen) => {
      const { databaseId, spec, replaceExisting } = input
      const name = databaseId === undefined ? undefined : foreseen.databases.get(databaseId)
      if (databaseId !== undefined && name !== undefined) {
        if (!replaceExisting) throw new Fault('DATABASE_EXISTS', { id: databaseId, name })
        return change(services, scene, foreseen, databaseId, spec)
      }
      const { postgresDatabase = '', role = '' } = spec
      if (postgresDatabase === '') {
        throw new Fault('FIELD_REQUIRED', { field: 'database.spec.postgres_database' })
      }
      if (role === '') throw new Fault('FIELD_REQUIRED', { field: 'database.spec.role' })
      const owner = findRole(scene, foreseen, role, 'spec.role')
      mayBeNamed(foreseen, undefined, postgresDatabase)
      mayAddDatabase(scene.branch, foreseen.databases.size, services.policy)
      const id =
        databaseId ??
        deriveDatabaseId(postgresDatabase, (wanted) => foreseen.databases.has(wanted as DatabaseId))
      return about('create-database', scene, id, { postgresDatabase, owner })
    },
  )

export const updateDatabase = (
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: DatabasePath,
  spec: DatabaseSpec,
): Promise<OperationResource> =>
  acceptWrite(
    services,
    prepared,
    caller,
    { path, deed: 'updateDatabase' },
    async (scene, foreseen) => {
      if (!foreseen.databases.has(path.database)) throw new Fault('DATABASE_NOT_FOUND')
      return change(services, scene, foreseen, path.database, spec)
    },
  )

export const deleteDatabase = (
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: DatabasePath,
): Promise<OperationResource> =>
  acceptWrite(
    services,
    prepared,
    caller,
    { path, deed: 'deleteDatabase' },
    async (scene, foreseen) => {
      const { database: id } = path
      if (!foreseen.databases.has(id)) throw new Fault('DATABASE_NOT_FOUND')
      const database = scene.contents.databases.find(({ databaseId }) => databaseId === id)
      await mayChangeOf(services, scene, database, 'deleteDatabase/ofAnother')
      return about('delete-database', scene, id, {})
    },
  )

/** A field that is left out stays as it is, the owner of an adopted database too. */
async function change(
  services: Services,
  scene: Scene,
  foreseen: Foreseen,
  id: DatabaseId,
  { postgresDatabase, role }: DatabaseSpec,
): Promise<Accepted> {
  const database = scene.contents.databases.find(({ databaseId }) => databaseId === id)
  await mayChangeOf(services, scene, database, 'updateDatabase/ofAnother')
  for (const [field, value] of Object.entries({ postgres_database: postgresDatabase, role })) {
    if (value === '') throw new Fault('FIELD_REQUIRED', { field: `database.spec.${field}` })
  }
  const owner = role === undefined ? undefined : findRole(scene, foreseen, role, 'spec.role')
  if (postgresDatabase !== undefined) mayBeNamed(foreseen, id, postgresDatabase)
  return about('update-database', scene, id, {
    postgresDatabase: postgresDatabase ?? null,
    owner: owner ?? null,
  })
}

/** Refuses a name that Postgres cannot hold, that is ours, or that another database has. */
function mayBeNamed({ databases }: Foreseen, self: DatabaseId | undefined, name: string): void {
  const problem = databaseNameProblem(name)
  if (problem !== undefined) {
    throw new Fault('FIELD_INVALID', { field: 'spec.postgres_database', problem })
  }
  const namesake = [...databases].find(([id, other]) => other === name && id !== self)
  if (namesake !== undefined) throw new Fault('DATABASE_EXISTS', { id: namesake[0], name })
}

const about = (
  kind: string,
  { path }: Scene,
  database: DatabaseId,
  input: Accepted['input'],
): Accepted => ({
  kind,
  subject: 'Database',
  resource: databaseName(path.project, path.branch, database),
  input: { ...input, databaseId: database },
})
