/**
 * Makes, changes and drops databases for the API. CREATE DATABASE cannot run in a transaction, so a
 * database is made under the name of a draft, which says whose it is, and gets its own name, its owner
 * and its label in one transaction: what a crash leaves is a draft that is taken up or dropped.
 */
import pg from 'pg'
import type { Database } from '../domain/database.ts'
import { Fault } from '../domain/faults.ts'
import type { DatabaseId, OperationUid, RoleId } from '../domain/names.ts'
import type { Role } from '../domain/role.ts'
import { draftDatabase } from '../domain/sql-name.ts'
import { failpoint } from '../lib/failpoint.ts'
import { type Clock, millis } from '../lib/time.ts'
import type { BranchContents, DatabaseChanges, NewDatabase } from '../ports/role-resources.ts'
import type { AdminSession } from './admin-session.ts'
import { inspectAlone } from './inspect.ts'
import { inWordsOf } from './postgres-refusal.ts'
import { labelJoin, parseLabel, removeLabel, writeLabel } from './resource-label.ts'
import { adminDatabase, broadRole, ownerRole } from './role-names.ts'
import { shareOwner } from './role-statements.ts'
import { hasGrantOptions, longPatience, type Writing } from './write-role.ts'

const quote = pg.escapeIdentifier

export function createDatabase(
  { door, clock }: Writing,
  socket: string,
  database: NewDatabase,
): Promise<Database> {
  const { postgresDatabase: name, databaseId, operation } = database
  const draft = draftDatabase(operation)
  return door.visit(
    socket,
    (session) =>
      inWordsOf('database', { id: databaseId, name }, async () => {
        const before = await contentsNow(session, clock)
        const made = before.databases.find(({ madeBy }) => madeBy === operation)
        if (made !== undefined) return made
        mayBeMade(before, database)
        if (!(await isThere(session, draft))) {
          await session.run(`CREATE DATABASE ${quote(draft)} OWNER ${ownerRole}`)
        }
        await failpoint('roles.create-database:drafted')
        return session.alone(async () => {
          const now = clock.now()
          const contents = await inspectAlone(session, { now, creator: undefined })
          const owner = mayBeMade(contents, database)
          await session.run(`ALTER DATABASE ${quote(draft)} RENAME TO ${quote(name)}`)
          await giveTo(session, name, owner)
          await session.run(
            `GRANT ALL ON DATABASE ${quote(name)} TO ${broadRole} WITH GRANT OPTION`,
          )
          await writeLabel(session, 'database', await oidOf(session, name), {
            id: databaseId,
            create: now,
            update: now,
            by: database.createdBy,
            op: operation,
            owner: owner.oid,
          })
          return findDatabase(session, databaseId, clock)
        })
      }),
    adminDatabase,
    longPatience,
  )
}

export function undoCreateDatabase(
  { door, clock }: Writing,
  socket: string,
  operation: OperationUid,
): Promise<void> {
  return door.visit(
    socket,
    async (session) => {
      const { databases } = await contentsNow(session, clock)
      const made = databases.find(({ madeBy }) => madeBy === operation)
      for (const name of [draftDatabase(operation), made?.postgresDatabase]) {
        if (name !== undefined) await drop(session, name)
      }
      if (made !== undefined) await session.alone(() => removeLabel(session, 'database', made.oid))
    },
    adminDatabase,
    longPatience,
  )
}

export function updateDatabase(
  { door, clock }: Writing,
  socket: string,
  databaseId: DatabaseId,
  { postgresDatabase, owner: ownerId }: DatabaseChanges,
): Promise<Database> {
  const name = postgresDatabase ?? ''
  return door.visit(socket, (session) =>
    inWordsOf('database', { id: databaseId, name }, () =>
      session.alone(async () => {
        const now = clock.now()
        const contents = await inspectAlone(session, { now, creator: undefined })
        const database = contents.databases.find((d) => d.databaseId === databaseId)
        if (database === undefined) throw new Fault('DATABASE_NOT_FOUND')
        const label = await labelOf(session, database.oid)
        let current = database.postgresDatabase
        if (postgresDatabase !== undefined && postgresDatabase !== current) {
          const rename = session.run(
            `ALTER DATABASE ${quote(current)} RENAME TO ${quote(postgresDatabase)}`,
          )
          await whileEndingSessions(() => door.visit(socket, endSessionsOf(current)), rename, clock)
          current = postgresDatabase
        }
        const owner = ownerId === undefined ? undefined : roleOf(contents, ownerId)
        if (owner !== undefined) await giveTo(session, current, owner)
        await writeLabel(session, 'database', database.oid, {
          id: databaseId,
          create: database.createTime,
          ...label,
          update: now,
          ...(owner === undefined ? {} : { owner: owner.oid }),
        })
        return findDatabase(session, databaseId, clock)
      }),
    ),
  )
}

export function deleteDatabase(
  { door }: Writing,
  socket: string,
  { oid, databaseId }: Pick<Database, 'oid' | 'databaseId'>,
): Promise<void> {
  return door.visit(
    socket,
    async (session) => {
      // Also one that an earlier attempt dropped half-way, which Postgres calls invalid.
      const rows = await session.rows<{ oid: number; name: string; label: string | null }>(
        `SELECT d.oid, d.datname AS name, l.label FROM pg_database d ${labelJoin('database', 'd.oid')}`,
      )
      const found = rows.find((row) => row.oid === oid && parseLabel(row.label)?.id === databaseId)
      if (found === undefined) return
      await inWordsOf('database', { id: databaseId, name: found.name }, () =>
        drop(session, found.name),
      )
      await failpoint('roles.delete-database:dropped')
      await session.alone(() => removeLabel(session, 'database', found.oid))
    },
    adminDatabase,
    longPatience,
  )
}

/** Refuses names that are taken and an owner that is not there; answers with the owner. */
function mayBeMade(contents: BranchContents, database: NewDatabase): Role {
  const { databaseId, postgresDatabase } = database
  const taken = contents.databases.find(
    (d) => d.databaseId === databaseId || d.postgresDatabase === postgresDatabase,
  )
  if (taken !== undefined) {
    throw new Fault('DATABASE_EXISTS', { id: taken.databaseId, name: taken.postgresDatabase })
  }
  return roleOf(contents, database.owner)
}

function roleOf({ roles }: BranchContents, roleId: RoleId): Role {
  const role = roles.find((r) => r.roleId === roleId)
  if (role === undefined) throw new Fault('ROLE_REFERENCE_NOT_FOUND', { role: roleId })
  return role
}

/** A manager's database belongs to the shared owner; one of another role's is shared with managers. */
async function giveTo(session: AdminSession, database: string, owner: Role): Promise<void> {
  const name = owner.isManager ? ownerRole : quote(owner.postgresRole)
  await session.run(`ALTER DATABASE ${quote(database)} OWNER TO ${name}`)
  if (!owner.isManager) {
    await session.run(shareOwner(owner.postgresRole, await hasGrantOptions(session)))
  }
}

/**
 * The rename holds the database's lock while it waits up to 5 s for sessions to end, so nobody new
 * comes in; those that are there are ended from outside meanwhile.
 */
async function whileEndingSessions(
  end: () => Promise<unknown>,
  rename: Promise<void>,
  clock: Clock,
): Promise<void> {
  const over = new AbortController()
  const ending = async () => {
    while (!over.signal.aborted) {
      await end()
      await clock.sleep(millis(100), over.signal)
    }
  }
  const ends = ending().catch(() => undefined) // the rename says what matters
  try {
    await rename
  } finally {
    over.abort()
    await ends
  }
}

const endSessionsOf = (database: string) => (session: AdminSession) =>
  session.rows(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1::text AND pid <> pg_backend_pid()',
    [database],
  )

const drop = (session: AdminSession, name: string): Promise<void> =>
  session.run(`DROP DATABASE IF EXISTS ${quote(name)} WITH (FORCE)`)

const isThere = async (session: AdminSession, name: string): Promise<boolean> =>
  (await session.rows('SELECT 1 FROM pg_database WHERE datname = $1::text', [name])).length > 0

async function oidOf(session: AdminSession, name: string): Promise<number> {
  const [row] = await session.rows<{ oid: number }>(
    'SELECT oid FROM pg_database WHERE datname = $1::text',
    [name],
  )
  if (row === undefined) throw new Error('a database that was just made is not there')
  return row.oid
}

async function labelOf(session: AdminSession, oid: number) {
  const [row] = await session.rows<{ label: string | null }>(
    `SELECT l.label FROM pg_database d ${labelJoin('database', 'd.oid')} WHERE d.oid = $1::int8::oid`,
    [oid],
  )
  return parseLabel(row?.label ?? null)
}

const contentsNow = (session: AdminSession, clock: Clock): Promise<BranchContents> =>
  session.alone(() => inspectAlone(session, { now: clock.now(), creator: undefined }))

async function findDatabase(
  session: AdminSession,
  databaseId: DatabaseId,
  clock: Clock,
): Promise<Database> {
  const { databases } = await inspectAlone(session, { now: clock.now(), creator: undefined })
  const found = databases.find((d) => d.databaseId === databaseId)
  if (found === undefined) throw new Fault('DATABASE_NOT_FOUND')
  return found
}
