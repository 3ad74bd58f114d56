/** Roles, ownership and grants inside a running Postgres, through its Unix socket as `cloud_admin`. */
import pg from 'pg'
import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/time.ts'
import type { LoginIdentity, Narrowing, PasswordVerifier, Roles } from '../ports/roles.ts'
import { AdminDoor, type AdminSession, settle } from './admin-session.ts'
import { adoptionPlan } from './adoption-plan.ts'
import { beginUpgrade, copyCluster, finishCopy, finishUpgrade } from './copy-cluster.ts'
import { copyExtensions, missingExtensions } from './copy-extensions.ts'
import { inspect } from './inspect.ts'
import { managerEndPlan } from './manager-end-plan.ts'
import { managerPlan } from './manager-plan.ts'
import { narrowedPlan } from './narrowed-plan.ts'
import { narrowedRoleName, parseTableName } from './narrowed-role.ts'
import { prepareCluster } from './prepare-cluster.ts'
import { renewPasswords } from './renew-passwords.ts'
import { writeSettledFor } from './resource-label.ts'
import { adminDatabase, checkLoginName, markers, narrowedMarker, ownerRole } from './role-names.ts'
import {
  createDatabase,
  deleteDatabase,
  undoCreateDatabase,
  updateDatabase,
} from './write-database.ts'
import {
  createRole,
  deleteRole,
  holdings,
  renewPassword,
  undoCreateRole,
  updateRole,
} from './write-role.ts'

export function openRoles({ clock, log }: { readonly clock: Clock; readonly log: Log }): Roles {
  const door = new AdminDoor(log)
  const writing = { door, clock }

  /** Says in the log what was changed and how long it took; silent when nothing was. */
  const settled = async (
    what: string,
    session: AdminSession,
    plan: string,
    values: readonly unknown[],
  ): Promise<void> => {
    const start = clock.monotonic()
    const steps = await settle(session, plan, values)
    if (steps > 0) log.info({ steps, ms: Math.round(clock.monotonic() - start) }, what)
  }

  return {
    prepareCluster: (socketDirectory) => prepareCluster(door, socketDirectory),
    copyCluster: (from, to) => copyCluster(door, from, to),
    beginUpgrade: (socketDirectory) => beginUpgrade(door, socketDirectory),
    finishUpgrade: (socketDirectory, cluster) => finishUpgrade(door, socketDirectory, cluster),
    finishCopy: (socketDirectory, databases) => finishCopy(door, socketDirectory, databases),
    missingExtensions: (from, to, database) => missingExtensions(door, from, to, database),
    copyExtensions: (from, to, database) => copyExtensions(door, from, to, database),

    async ensureManager(socketDirectory: string, { loginName, kind }: LoginIdentity) {
      checkLoginName(loginName)
      await door.visitShared(socketDirectory, (session) =>
        settled('made an identity a manager', session, managerPlan, [loginName, markers[kind]]),
      )
    },

    async endManager(socketDirectory: string, loginName: string) {
      checkLoginName(loginName)
      await door.visitShared(socketDirectory, (session) =>
        settled('ended a manager', session, managerEndPlan, [loginName]),
      )
    },

    async managers(socketDirectory: string) {
      const found = await door.visit(socketDirectory, (session) =>
        session.rows<{ readonly rolname: string }>(managers, [Object.values(markers)]),
      )
      return found.map(({ rolname }) => rolname)
    },

    async ensureNarrowed(
      socketDirectory: string,
      { loginName }: LoginIdentity,
      database: string,
      narrowing: Narrowing,
    ) {
      checkLoginName(loginName)
      const role = narrowedRoleName(loginName, database, narrowing)
      const tables = narrowing.tables?.map(parseTableName).filter((name) => name !== undefined)
      const values = [
        role,
        loginName,
        tables?.map(({ schema }) => schema) ?? null,
        tables?.map(({ table }) => table) ?? null,
      ]
      const narrow = (session: AdminSession) =>
        settled('narrowed a credential', session, narrowedPlan, values)
      try {
        await door.visit(socketDirectory, narrow, database)
      } catch (error) {
        if (!(error instanceof pg.DatabaseError && error.code === '3D000')) throw error
        // No such database: Postgres itself will say so to the client, when the role logs in.
        await door.visit(socketDirectory, narrow, adminDatabase)
      }
      return role
    },

    async adoptDatabases(socketDirectory: string) {
      await door.visit(socketDirectory, (session) =>
        settled('adopted what members made by SQL', session, adoptionPlan, []),
      )
    },

    passwordVerifiers: (socketDirectory) =>
      door.visit(socketDirectory, (session) =>
        session.rows<PasswordVerifier>(passwordVerifiers, [
          [...Object.values(markers), narrowedMarker],
        ]),
      ),

    async renewPasswords(socketDirectory: string) {
      const count = await renewPasswords(door, socketDirectory)
      if (count > 0) log.info({ roles: count }, 'gave password roles new passwords')
      return count
    },

    async hasIdentityRole(socketDirectory: string, loginName: string) {
      const found = await door.visitShared(socketDirectory, (session) =>
        session.rows(identityRole, [loginName, Object.values(markers)]),
      )
      return found.length > 0
    },

    inspect: (socketDirectory, { creator }) =>
      door.look(socketDirectory, (session) => inspect(session, { now: clock.now(), creator })),
    settle: (socketDirectory, branch) =>
      door.visit(socketDirectory, (session) =>
        session.alone(() => writeSettledFor(session, branch)),
      ),
    createRole: (socketDirectory, role) => createRole(writing, socketDirectory, role),
    undoCreateRole: (socketDirectory, operation) =>
      undoCreateRole(writing, socketDirectory, operation),
    updateRole: (socketDirectory, role, changes) =>
      updateRole(writing, socketDirectory, role, changes),
    deleteRole: (socketDirectory, role, { reassignTo }) =>
      deleteRole(writing, socketDirectory, role, reassignTo),
    holdings: (socketDirectory, role) => holdings(writing, socketDirectory, role),
    renewPassword: (socketDirectory, role) => renewPassword(writing, socketDirectory, role),
    createDatabase: (socketDirectory, database) =>
      createDatabase(writing, socketDirectory, database),
    undoCreateDatabase: (socketDirectory, operation) =>
      undoCreateDatabase(writing, socketDirectory, operation),
    updateDatabase: (socketDirectory, database, changes) =>
      updateDatabase(writing, socketDirectory, database, changes),
    deleteDatabase: (socketDirectory, database) =>
      deleteDatabase(writing, socketDirectory, database),
  }
}

/** The gateway logs in by trust, so whatever Postgres would have refused must be left out here. */
const passwordVerifiers = `
SELECT a.rolname AS role, a.rolpassword AS verifier
FROM pg_authid a
WHERE a.rolcanlogin AND NOT a.rolsuper AND starts_with(a.rolpassword, 'SCRAM-SHA-256$')
  AND (a.rolvaliduntil IS NULL OR a.rolvaliduntil > now())
  AND NOT EXISTS (SELECT FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid
                  WHERE m.member = a.oid AND g.rolname = ANY ($1::text[]))
ORDER BY a.rolname`

const managers = `
SELECT a.rolname FROM pg_auth_members m
JOIN pg_authid a ON a.oid = m.member
WHERE m.roleid = (SELECT oid FROM pg_authid WHERE rolname = '${ownerRole}')
  AND EXISTS (SELECT FROM pg_auth_members k JOIN pg_authid g ON g.oid = k.roleid
              WHERE k.member = a.oid AND g.rolname = ANY ($1::text[]))
ORDER BY a.rolname`

const identityRole = `
SELECT a.oid FROM pg_authid a
WHERE a.rolname = $1::text AND a.rolcanlogin AND NOT a.rolsuper
  AND EXISTS (SELECT FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid
              WHERE m.member = a.oid AND g.rolname = ANY ($2::text[]))`
