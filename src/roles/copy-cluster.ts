/**
 * What a dump of databases leaves out, copied from one cluster of ours to another, fresh one of a later
 * major: roles with their passwords and settings, who is a member of what, databases with their owners and
 * rights, and the labels by which the API knows roles and databases. Read and written as SQL, by names:
 * oids differ.
 */
import { defaultDatabase } from '../domain/branch.ts'
import { hours } from '../lib/time.ts'
import type { ClusterToUpgrade, CopiedDatabase, LabelRow } from '../ports/roles.ts'
import type { AdminDoor, AdminSession } from './admin-session.ts'
import { labelClass, providers } from './resource-label.ts'
import { adminDatabase, markers, narrowedMarker, superuser } from './role-names.ts'

interface Statement {
  readonly statement: string
}

/** Ours are there already, and Postgres's own. */
const roles = `
SELECT format('CREATE ROLE %I', r.rolname) AS create,
  format('ALTER ROLE %I WITH %s %s %s %s %s %s %s CONNECTION LIMIT %s PASSWORD %s VALID UNTIL %L', r.rolname,
    CASE WHEN r.rolsuper THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END,
    CASE WHEN r.rolinherit THEN 'INHERIT' ELSE 'NOINHERIT' END,
    CASE WHEN r.rolcreaterole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
    CASE WHEN r.rolcreatedb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
    CASE WHEN r.rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END,
    CASE WHEN r.rolreplication THEN 'REPLICATION' ELSE 'NOREPLICATION' END,
    CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END,
    r.rolconnlimit, coalesce(quote_literal(r.rolpassword), 'NULL'),
    coalesce(r.rolvaliduntil::text, 'infinity')) AS alter,
  format('COMMENT ON ROLE %I IS %L', r.rolname, shobj_description(r.oid, 'pg_authid')) AS comment,
  r.rolname AS name
FROM pg_authid r
WHERE r.oid >= 16384 AND NOT starts_with(r.rolname, 'pg_') AND r.rolname <> '${superuser}'
ORDER BY r.oid`

/** Grants by the superuser first: others pass on what they have with ADMIN OPTION. */
const memberships = `
SELECT g.rolname AS role, m.rolname AS member, r.rolname AS grantor, to_jsonb(a) AS options
FROM pg_auth_members a
  JOIN pg_authid g ON g.oid = a.roleid
  JOIN pg_authid m ON m.oid = a.member
  LEFT JOIN pg_authid r ON r.oid = a.grantor
WHERE m.oid >= 16384
ORDER BY r.oid NULLS FIRST, g.rolname, m.rolname`

interface Membership {
  readonly role: string
  readonly member: string
  readonly grantor: string | null
  readonly options: {
    readonly admin_option: boolean
    readonly inherit_option?: boolean
    readonly set_option?: boolean
  }
}

const settings = `
SELECT format('ALTER %s SET %I = %s', CASE
    WHEN s.setdatabase = 0 THEN format('ROLE %I', r.rolname)
    WHEN s.setrole = 0 THEN format('DATABASE %I', d.datname)
    ELSE format('ROLE %I IN DATABASE %I', r.rolname, d.datname) END,
  split_part(c, '=', 1),
  -- Lists are kept as they are written; a value in quotes would be one name.
  CASE WHEN lower(split_part(c, '=', 1)) IN ('datestyle', 'search_path', 'session_preload_libraries',
      'local_preload_libraries', 'temp_tablespaces', 'unix_socket_directories')
    THEN substr(c, strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END) AS statement
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
  LEFT JOIN pg_authid r ON r.oid = s.setrole
  LEFT JOIN pg_database d ON d.oid = s.setdatabase
WHERE (s.setrole = 0 OR r.rolname IS NOT NULL) AND (s.setdatabase = 0 OR d.datname IS NOT NULL)`

const databases = `
SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, d.datconnlimit AS "limit",
  d.datallowconn AS "isOpen", d.datistemplate AS "isTemplate", pg_encoding_to_char(d.encoding) AS encoding,
  d.datcollate AS collate, d.datctype AS ctype, d.datlocprovider::text AS provider,
  shobj_description(d.oid, 'pg_database') AS comment
FROM pg_database d
WHERE d.datname NOT IN ('template0', 'template1') AND d.datconnlimit <> -2
ORDER BY d.oid`

interface Database extends CopiedDatabase {
  readonly owner: string
  readonly limit: number
  readonly isTemplate: boolean
  readonly encoding: string
  readonly collate: string
  readonly ctype: string
  readonly provider: string
  readonly comment: string | null
}

const rights = `
SELECT d.datname AS database, pg_get_userbyid(a.grantor) AS grantor, a.privilege_type AS privilege,
  CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,
  a.is_grantable AS "isGrantable", a.grantor = d.datdba AS "isOwners"
FROM pg_database d, aclexplode(d.datacl) a
WHERE d.datacl IS NOT NULL AND d.datname NOT IN ('template0', 'template1')
ORDER BY a.grantor <> d.datdba, d.datname`

interface Right {
  readonly database: string
  readonly grantor: string
  readonly privilege: string
  readonly grantee: string
  readonly isGrantable: boolean
  readonly isOwners: boolean
}

const labels = `
SELECT l.provider, l.label, coalesce(r.rolname, d.datname) AS name, o.rolname AS owner
FROM pg_shseclabel l
  LEFT JOIN pg_authid r ON l.provider = '${providers.role}' AND r.oid = l.objoid
  LEFT JOIN pg_database d ON l.provider = '${providers.database}' AND d.oid = l.objoid
  LEFT JOIN pg_authid o ON l.provider = '${providers.database}' AND o.oid = (l.label::jsonb->>'owner')::oid
WHERE l.classoid = ${labelClass} AND l.provider IN ('${providers.role}', '${providers.database}')`

/** Before the databases are filled: answers which there are. May run again on what an earlier run left. */
export async function copyCluster(
  door: AdminDoor,
  from: string,
  to: string,
): Promise<readonly CopiedDatabase[]> {
  const source = await door.visit(from, async (session) => ({
    roles: await session.rows<Record<'create' | 'alter' | 'comment' | 'name', string>>(roles),
    memberships: await session.rows<Membership>(memberships),
    settings: await session.rows<Statement>(settings),
    databases: await session.rows<Database>(databases),
    rights: await session.rows<Right>(rights),
    labels: await session.rows<LabelRow>(labels),
  }))
  await door.visit(to, async (session) => {
    const there = new Set(
      (await session.rows<{ name: string }>('SELECT rolname AS name FROM pg_authid')).map(
        ({ name }) => name,
      ),
    )
    for (const role of source.roles) {
      if (!there.has(role.name)) await session.run(role.create)
      await session.run(role.alter)
      await session.run(role.comment)
    }
    await grantMemberships(session, source.memberships)
    await makeDatabases(session, source.databases)
    for (const { statement } of source.settings) await session.run(statement)
    await grantRights(session, source.rights)
    await writeLabels(session, source.labels)
  })
  const closed = source.databases.filter(({ isOpen }) => !isOpen)
  await door.visit(from, (session) => allowSessions(session, closed, true))
  return source.databases.map(({ name, isOpen }) => ({ name, isOpen }))
}

/** Before `pg_upgrade`, which wants to enter each database and does not see our labels. */
export async function beginUpgrade(door: AdminDoor, from: string): Promise<ClusterToUpgrade> {
  return door.visit(from, async (session) => {
    const found = await session.rows<Database>(databases)
    await allowSessions(
      session,
      found.filter(({ isOpen }) => !isOpen),
      true,
    )
    return {
      databases: found.map(({ name, isOpen }) => ({ name, isOpen })),
      labels: await session.rows<LabelRow>(labels),
    }
  })
}

/** After `pg_upgrade`, in the later major. */
export async function finishUpgrade(
  door: AdminDoor,
  socketDirectory: string,
  { databases, labels }: ClusterToUpgrade,
): Promise<void> {
  for (const database of databases) {
    await door.visit(socketDirectory, updateExtensions, database.name, hours(6))
  }
  await door.visit(socketDirectory, (session) => writeLabels(session, labels))
  await finishCopy(door, socketDirectory, databases)
}

/** Scripts of a later version of what is there already, where the installation has one. */
async function updateExtensions(session: AdminSession): Promise<void> {
  const outdated = await session.rows<{ name: string }>(
    'SELECT name FROM pg_available_extensions WHERE installed_version <> default_version',
  )
  for (const extension of outdated)
    await session.run(`ALTER EXTENSION ${name(extension.name)} UPDATE`)
}

/** After the databases are filled. */
export async function finishCopy(
  door: AdminDoor,
  socketDirectory: string,
  databases: readonly CopiedDatabase[],
): Promise<void> {
  for (const database of databases) {
    const analyze = (session: AdminSession) => session.run('ANALYZE')
    await door.visit(socketDirectory, analyze, database.name, hours(6))
  }
  const closed = databases.filter(({ isOpen }) => !isOpen)
  await door.visit(socketDirectory, (session) => allowSessions(session, closed, false))
}

async function allowSessions(
  session: AdminSession,
  databases: readonly CopiedDatabase[],
  isAllowed: boolean,
): Promise<void> {
  for (const database of databases) {
    await session.run(`ALTER DATABASE ${name(database.name)} ALLOW_CONNECTIONS ${isAllowed}`)
  }
}

/** From Postgres 16 on a membership says who gave it; who may not have given it here leaves it to us. */
async function grantMemberships(session: AdminSession, all: readonly Membership[]): Promise<void> {
  const [server] = await session.rows<{ has: boolean }>(
    "SELECT current_setting('server_version_num')::int >= 160000 AS has",
  )
  const marking: readonly string[] = [...Object.values(markers), narrowedMarker]
  for (const { role, member, grantor, options } of all) {
    const isMarker = marking.includes(role)
    const flags = [
      `ADMIN ${options.admin_option}`,
      ...(server?.has === true
        ? isMarker
          ? ['INHERIT FALSE', 'SET FALSE']
          : [
              ...(options.inherit_option === undefined
                ? []
                : [`INHERIT ${options.inherit_option}`]),
              ...(options.set_option === undefined ? [] : [`SET ${options.set_option}`]),
            ]
        : []),
    ]
    const grant =
      server?.has === true
        ? `GRANT ${name(role)} TO ${name(member)} WITH ${flags.join(', ')}`
        : `GRANT ${name(role)} TO ${name(member)}${options.admin_option ? ' WITH ADMIN OPTION' : ''}`
    const isOthers = server?.has === true && grantor !== null && grantor !== superuser
    if (isOthers && (await succeeds(session, `${grant} GRANTED BY ${name(grantor)}`))) continue
    await session.run(grant)
  }
}

async function makeDatabases(session: AdminSession, wanted: readonly Database[]): Promise<void> {
  const there = await session.rows<{ name: string }>('SELECT datname AS name FROM pg_database')
  const names = new Set(there.map(({ name }) => name))
  for (const database of wanted) {
    const { owner, limit, isTemplate, comment } = database
    if (!names.has(database.name)) {
      const locale = localeOf(database)
      await session.run(
        `CREATE DATABASE ${name(database.name)} TEMPLATE template0 ENCODING ${text(database.encoding)} ${locale}`,
      )
    }
    if (database.name !== adminDatabase) {
      await session.run(`ALTER DATABASE ${name(database.name)} OWNER TO ${name(owner)}`)
    }
    await session.run(
      `ALTER DATABASE ${name(database.name)} CONNECTION LIMIT ${limit} IS_TEMPLATE ${isTemplate}`,
    )
    if (comment !== null) {
      await session.run(`COMMENT ON DATABASE ${name(database.name)} IS ${text(comment)}`)
    }
  }
  // Comes with the template; somebody has dropped it.
  if (!wanted.some((database) => database.name === defaultDatabase)) {
    await session.run(`DROP DATABASE IF EXISTS ${defaultDatabase}`)
  }
}

/** C.UTF-8 sorts as Postgres's own provider does, which needs no library of the machine. */
const localeOf = ({ provider, collate, ctype }: Database): string =>
  provider === 'c' && !/^C(\.UTF-?8)?$/i.test(collate)
    ? `LOCALE_PROVIDER libc LC_COLLATE ${text(collate)} LC_CTYPE ${text(ctype)}`
    : ''

async function grantRights(session: AdminSession, all: readonly Right[]): Promise<void> {
  for (const database of new Set(all.map((right) => right.database))) {
    await session.run(`REVOKE ALL ON DATABASE ${name(database)} FROM PUBLIC`)
  }
  for (const { database, grantor, privilege, grantee, isGrantable, isOwners } of all) {
    const grant = `GRANT ${privilege} ON DATABASE ${name(database)} TO ${grantee}${isGrantable ? ' WITH GRANT OPTION' : ''}`
    if (!isOwners) {
      await session.run(`SET SESSION AUTHORIZATION ${name(grantor)}`)
      const isGranted = await succeeds(session, grant)
      await session.run('RESET SESSION AUTHORIZATION')
      if (isGranted) continue
    }
    await session.run(grant)
  }
}

async function writeLabels(session: AdminSession, all: readonly LabelRow[]): Promise<void> {
  await session.alone(async () => {
    await session.rows(`DELETE FROM pg_shseclabel WHERE classoid = ${labelClass}
      AND provider IN ('${providers.role}', '${providers.database}')`)
    for (const { provider, label, name: of, owner } of all) {
      await session.rows(
        `INSERT INTO pg_shseclabel (objoid, classoid, provider, label)
         SELECT o.oid, ${labelClass}, $1::text, CASE WHEN w.oid IS NULL THEN $2::text
           ELSE jsonb_set($2::jsonb, '{owner}', to_jsonb(w.oid::int8))::text END
         FROM (SELECT oid FROM pg_authid WHERE $1 = '${providers.role}' AND rolname = $3::text
               UNION ALL SELECT oid FROM pg_database WHERE $1 = '${providers.database}' AND datname = $3::text) o
           LEFT JOIN pg_authid w ON w.rolname = $4::text`,
        [provider, label, of, owner],
      )
    }
  })
}

const succeeds = (session: AdminSession, statement: string): Promise<boolean> =>
  session.run(statement).then(
    () => true,
    () => false,
  )

const name = (of: string): string => `"${of.replaceAll('"', '""')}"`
const text = (of: string): string => `'${of.replaceAll("'", "''")}'`
