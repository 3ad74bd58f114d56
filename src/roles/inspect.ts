/** Reads what a branch holds, and writes down the ids of what SQL made since the last look. */

import type { EpochMs } from '../lib/time.ts'
import type { BranchContents } from '../ports/role-resources.ts'
import type { AdminSession } from './admin-session.ts'
import { planContents, type Seen } from './branch-contents.ts'
import { labelClass, labelJoin, providers, removeLabel, writeLabel } from './resource-label.ts'
import {
  adminDatabase,
  broadRole,
  markers,
  narrowedMarker,
  ownerRole,
  serviceRoles,
} from './role-names.ts'

const listed = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ')

const telling = [broadRole, ...Object.values(markers)]

/**
 * One statement, so one moment. Hidden: superusers, what initdb made, our own roles and those of
 * narrowed credentials; templates, the admin database, drafts, and what a DROP DATABASE left half-way.
 * Memberships are gathered once: nobody analyses these catalogs, so a lookup for each role would be a
 * scan for each role.
 */
const contentsQuery = `
WITH RECURSIVE told AS MATERIALIZED (
  SELECT m.member, array_agg(DISTINCT g.rolname::text) AS roles
  FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid
  WHERE g.rolname IN (${listed([...telling, narrowedMarker])})
  GROUP BY m.member
), managers (oid) AS (
  SELECT oid FROM pg_authid WHERE rolname = '${ownerRole}'
  UNION
  SELECT m.member FROM pg_auth_members m JOIN managers ON managers.oid = m.roleid
)
SELECT
  (SELECT coalesce(json_agg(r ORDER BY r.oid), '[]') FROM (
    SELECT a.oid::int8 AS oid, a.rolname AS name, a.rolcanlogin AS "canLogin",
      a.rolcreatedb AS createdb, a.rolcreaterole AS createrole, a.rolbypassrls AS bypassrls,
      coalesce(told.roles, '{}') AS "memberOf", managers.oid IS NOT NULL AS "isManager", l.label
    FROM pg_authid a ${labelJoin('role', 'a.oid')}
      LEFT JOIN told ON told.member = a.oid LEFT JOIN managers ON managers.oid = a.oid
    WHERE a.oid >= 16384 AND NOT a.rolsuper AND a.rolname NOT IN (${listed(serviceRoles)})
      AND NOT '${narrowedMarker}' = ANY (coalesce(told.roles, '{}'))
  ) r) AS roles,
  (SELECT coalesce(json_agg(d ORDER BY d.oid), '[]') FROM (
    SELECT d.oid::int8 AS oid, d.datname AS name, d.datdba::int8 AS owner, l.label
    FROM pg_database d ${labelJoin('database', 'd.oid')}
    WHERE d.datname NOT IN ('${adminDatabase}', 'template0', 'template1')
      AND NOT starts_with(d.datname, 'lakelet-draft-') AND d.datconnlimit <> -2
  ) d) AS databases,
  (SELECT l.label FROM pg_shseclabel l
   WHERE l.classoid = ${labelClass} AND l.provider = '${providers.branch}') AS "settledFor",
  (SELECT coalesce(json_agg(s), '[]') FROM (
    SELECT 'role' AS kind, l.objoid::int8 AS oid FROM pg_shseclabel l
    WHERE l.classoid = ${labelClass} AND l.provider = '${providers.role}'
      AND NOT EXISTS (SELECT FROM pg_authid a WHERE a.oid = l.objoid)
    UNION ALL
    SELECT 'database', l.objoid::int8 FROM pg_shseclabel l
    WHERE l.classoid = ${labelClass} AND l.provider = '${providers.database}'
      AND NOT EXISTS (SELECT FROM pg_database d WHERE d.oid = l.objoid)
  ) s) AS stale`

async function look(session: AdminSession): Promise<Seen> {
  const [seen] = await session.prepared<Seen>('contents', contentsQuery)
  if (seen === undefined) throw new Error('a query without FROM answered no row')
  return seen
}

export interface Looking {
  readonly now: EpochMs
  readonly creator: string | undefined
}

/** Writes nothing when there is nothing new: one round trip. */
export async function inspect(session: AdminSession, looking: Looking): Promise<BranchContents> {
  const seen = await look(session)
  const { contents, writes } = planContents(seen, looking)
  if (writes.length === 0 && seen.stale.length === 0) return contents
  return session.alone(() => inspectAlone(session, looking))
}

/** The same inside a transaction that holds our lock. */
export async function inspectAlone(
  session: AdminSession,
  looking: Looking,
): Promise<BranchContents> {
  const seen = await look(session)
  const { contents, writes } = planContents(seen, looking)
  for (const { kind, oid } of seen.stale) await removeLabel(session, kind, oid)
  for (const { kind, oid, label } of writes) await writeLabel(session, kind, oid, label)
  return contents
}
