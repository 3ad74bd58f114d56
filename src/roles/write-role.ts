/**
 * Makes, changes and drops roles for the API. A role and its label are written in one transaction, so
 * there is never one without the other; whoever runs again after a crash finds its work by the label.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { Fault } from '../domain/faults.ts'
import type { OperationUid, RoleId } from '../domain/names.ts'
import { authMethodOf, type Role } from '../domain/role.ts'
import { failpoint } from '../lib/failpoint.ts'
import { type Clock, minutes } from '../lib/time.ts'
import type { NewRole, RoleChanges } from '../ports/role-resources.ts'
import type { AdminDoor, AdminSession } from './admin-session.ts'
import { inspectAlone } from './inspect.ts'
import { inWordsOf } from './postgres-refusal.ts'
import { randomVerifier, verifierOf } from './random-verifier.ts'
import { silence } from './renew-passwords.ts'
import { labelJoin, parseLabel, removeLabel, writeLabel } from './resource-label.ts'
import { adminDatabase, broadRole, ownerRole } from './role-names.ts'
import { createRoleStatements, updateRoleStatements } from './role-statements.ts'

export interface Writing {
  readonly door: AdminDoor
  readonly clock: Clock
}

/** Moving many objects to another owner, or waiting for locks on them. */
export const longPatience = minutes(10)

export const hasGrantOptions = async (session: AdminSession): Promise<boolean> =>
  (await session.rows("SELECT 1 WHERE current_setting('server_version_num')::int >= 160000"))
    .length > 0

export function createRole({ door, clock }: Writing, socket: string, role: NewRole): Promise<Role> {
  const { postgresRole: name, roleId, operation } = role
  return door.visit(socket, (session) =>
    inWordsOf('role', { id: roleId, name }, () =>
      session.alone(async () => {
        const looking = { now: clock.now(), creator: undefined }
        const { roles } = await inspectAlone(session, looking)
        const made = roles.find(({ madeBy }) => madeBy === operation)
        if (made !== undefined) return made // we died between the commit and our save
        const taken = roles.find((r) => r.roleId === roleId || r.postgresRole === name)
        if (taken !== undefined) {
          throw new Fault('ROLE_EXISTS', { id: taken.roleId, name: taken.postgresRole })
        }
        const hasPassword = authMethodOf(role) === 'PG_PASSWORD_SCRAM_SHA_256'
        const verifier = hasPassword ? await randomVerifier() : undefined
        for (const setting of silence) await session.run(setting)
        const statements = createRoleStatements(role, verifier, await hasGrantOptions(session))
        for (const statement of statements) await session.run(statement)
        const oid = await oidOf(session, name)
        await writeLabel(session, 'role', oid, {
          id: roleId,
          create: looking.now,
          update: looking.now,
          by: role.createdBy,
          op: operation,
          grants: { ...role.attributes, superuser: role.isSuperuserMember },
        })
        return findRole(session, roleId, clock)
      }),
    ),
  )
}

export async function undoCreateRole(
  { door, clock }: Writing,
  socket: string,
  operation: OperationUid,
): Promise<void> {
  try {
    await door.visit(socket, (session) =>
      session.alone(async () => {
        const { roles } = await inspectAlone(session, { now: clock.now(), creator: undefined })
        const made = roles.find(({ madeBy }) => madeBy === operation)
        if (made === undefined) return
        await session.run(`DROP ROLE ${pg.escapeIdentifier(made.postgresRole)}`)
        await removeLabel(session, 'role', made.oid)
      }),
    )
  } catch (error) {
    // Somebody has given it something already: it is theirs now.
    if (!(error instanceof pg.DatabaseError && error.code === '2BP01')) throw error
  }
}

export function updateRole(
  { door, clock }: Writing,
  socket: string,
  roleId: RoleId,
  changes: RoleChanges,
): Promise<Role> {
  return door.visit(socket, (session) =>
    session.alone(async () => {
      const role = await findRole(session, roleId, clock)
      const grantors = await session.rows<{ name: string }>(grantorsQuery, [role.oid])
      const statements = updateRoleStatements(
        role.postgresRole,
        changes,
        grantors.map(({ name }) => name),
        await hasGrantOptions(session),
      )
      for (const statement of statements) await session.run(statement)
      const label = await labelOf(session, role.oid)
      // A manager has all of it by its permission: that is not what the API gave.
      const before = label?.grants ?? {
        ...(role.isManager
          ? { createdb: false, createrole: false, bypassrls: false }
          : role.attributes),
        superuser: !role.isManager && role.isSuperuserMember,
      }
      const { attributes, isSuperuserMember: superuser = before.superuser } = changes
      await writeLabel(session, 'role', role.oid, {
        id: roleId,
        create: role.createTime,
        ...label,
        update: clock.now(),
        grants: { ...before, ...attributes, superuser },
      })
      return findRole(session, roleId, clock)
    }),
  )
}

/** A role that the database refuses to drop makes the whole fail, with nothing dropped. */
export async function deleteRole(
  { door, clock }: Writing,
  socket: string,
  { oid, roleId }: Pick<Role, 'oid' | 'roleId'>,
  reassignTo: RoleId | undefined,
): Promise<void> {
  const doomed = await door.visit(socket, async (session) => {
    const roles = await rolesNow(session, clock)
    const role = roles.find((r) => r.oid === oid && r.roleId === roleId)
    if (role === undefined) return undefined
    const heir = roles.find((r) => r.roleId === reassignTo)
    if (reassignTo !== undefined && heir === undefined) {
      throw new Fault('ROLE_REFERENCE_NOT_FOUND', { role: reassignTo })
    }
    const what = heir === undefined ? await holdingsOf(session, role.oid) : undefined
    if (what !== undefined) throw new Fault('ROLE_OWNS_OBJECTS', { role: roleId, what })
    return { role, heir, places: await placesOf(session, role.oid) }
  })
  if (doomed === undefined) return
  const { role, heir, places } = doomed
  const closed = places.find(({ isOpen }) => !isOpen)
  if (closed !== undefined) {
    throw new Fault('DATABASE_CLOSED', { database: closed.name, role: roleId })
  }
  const name = pg.escapeIdentifier(role.postgresRole)
  // What appears between the look and this (nothing, when there is no heir) goes to the shared owner.
  const to =
    heir === undefined || heir.isManager ? ownerRole : pg.escapeIdentifier(heir.postgresRole)
  const giveUp = async (session: AdminSession) => {
    await session.run(`REASSIGN OWNED BY ${name} TO ${to}`)
    await session.run(`DROP OWNED BY ${name}`) // only what was granted to it is left
  }
  await inWordsOf('role', { id: roleId, name: role.postgresRole }, async () => {
    for (const place of places.filter((p) => p.name !== adminDatabase)) {
      await door.visit(
        socket,
        (session) => session.alone(() => giveUp(session)),
        place.name,
        longPatience,
      )
      await failpoint('roles.delete-role:reassigned')
    }
    await door.visit(
      socket,
      async (session) => {
        await session.alone(async () => {
          await giveUp(session)
          if (heir !== undefined) await moveLabels(session, role.oid, heir.oid)
          await session.run(`DROP ROLE ${name}`)
          await removeLabel(session, 'role', role.oid)
        })
        await session.rows(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = $1::int8::oid',
          [role.oid],
        )
      },
      adminDatabase,
      longPatience,
    )
  })
}

export const holdings = (
  { door, clock }: Writing,
  socket: string,
  roleId: RoleId,
): Promise<string | undefined> =>
  door.visit(socket, async (session) => {
    const role = (await rolesNow(session, clock)).find((r) => r.roleId === roleId)
    return role === undefined ? undefined : holdingsOf(session, role.oid)
  })

export function renewPassword(
  { door, clock }: Writing,
  socket: string,
  roleId: RoleId,
): Promise<string> {
  return door.visit(socket, (session) =>
    session.alone(async () => {
      const role = await findRole(session, roleId, clock)
      const auth = authMethodOf(role)
      if (auth !== 'PG_PASSWORD_SCRAM_SHA_256') {
        throw new Fault('ROLE_HAS_NO_PASSWORD', { role: roleId, auth })
      }
      const password = randomBytes(24).toString('base64url')
      const verifier = await verifierOf(password, randomBytes(16))
      for (const setting of silence) await session.run(setting)
      const name = pg.escapeIdentifier(role.postgresRole)
      await session.run(`ALTER ROLE ${name} PASSWORD ${pg.escapeLiteral(verifier)}`)
      return password
    }),
  )
}

const rolesNow = async (session: AdminSession, clock: Clock): Promise<readonly Role[]> =>
  session.alone(
    async () => (await inspectAlone(session, { now: clock.now(), creator: undefined })).roles,
  )

/** Inside a transaction that holds our lock. */
export async function findRole(session: AdminSession, roleId: RoleId, clock: Clock): Promise<Role> {
  const { roles } = await inspectAlone(session, { now: clock.now(), creator: undefined })
  const role = roles.find((r) => r.roleId === roleId)
  if (role === undefined) throw new Fault('ROLE_NOT_FOUND')
  return role
}

async function oidOf(session: AdminSession, name: string): Promise<number> {
  const [row] = await session.rows<{ oid: number }>(
    'SELECT oid FROM pg_authid WHERE rolname = $1::text',
    [name],
  )
  if (row === undefined) throw new Error('a role that was just made is not there')
  return row.oid
}

async function labelOf(session: AdminSession, oid: number) {
  const [row] = await session.rows<{ label: string | null }>(
    `SELECT l.label FROM pg_authid a ${labelJoin('role', 'a.oid')} WHERE a.oid = $1::int8::oid`,
    [oid],
  )
  return parseLabel(row?.label ?? null)
}

const grantorsQuery = `
SELECT DISTINCT coalesce(grantor.rolname, g.rolname)::text AS name
FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid AND g.rolname = '${broadRole}'
  LEFT JOIN pg_authid grantor ON grantor.oid = m.grantor
WHERE m.member = $1::int8::oid`

interface Place {
  readonly name: string
  readonly isOpen: boolean
  readonly owned: number
}

/** Databases in which the role owns something or was granted something. */
const placesOf = (session: AdminSession, oid: number): Promise<readonly Place[]> =>
  session.rows<Place>(
    `SELECT d.datname AS name, d.datallowconn AS "isOpen",
            count(*) FILTER (WHERE s.deptype = 'o')::int AS owned
     FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
     WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1::int8::oid
     GROUP BY d.datname, d.datallowconn ORDER BY d.datname`,
    [oid],
  )

/** In words; databases count that belong to it for readers of the API alone. */
async function holdingsOf(session: AdminSession, oid: number): Promise<string | undefined> {
  const databases = await session.rows<{ name: string; label: string | null; isReal: boolean }>(
    `SELECT d.datname AS name, l.label, d.datdba = $1::int8::oid AS "isReal"
     FROM pg_database d ${labelJoin('database', 'd.oid')} ORDER BY d.datname`,
    [oid],
  )
  const owned = databases.filter(({ isReal, label }) => isReal || parseLabel(label)?.owner === oid)
  const places = (await placesOf(session, oid)).filter((place) => place.owned > 0)
  const said = [
    ...owned.map(({ name }) => `the database ${name}`),
    ...places.map(
      ({ name, owned: n }) => `${n} ${n === 1 ? 'object' : 'objects'} in the database ${name}`,
    ),
  ]
  return said.length === 0
    ? undefined
    : said.slice(0, 5).join(', ') + (said.length > 5 ? ', …' : '')
}

async function moveLabels(session: AdminSession, from: number, to: number): Promise<void> {
  const databases = await session.rows<{ oid: number; label: string | null }>(
    `SELECT d.oid, l.label FROM pg_database d ${labelJoin('database', 'd.oid')}`,
  )
  for (const { oid, label } of databases) {
    const parsed = parseLabel(label)
    if (parsed?.owner === from) await writeLabel(session, 'database', oid, { ...parsed, owner: to })
  }
}
