/**
 * What the API knows of a role or database beside what Postgres says of it: its id, its times, who
 * made it. Kept in `pg_shseclabel`, a catalog that all databases share, for three reasons: every clone
 * carries it, a row is written in the very transaction that makes the role, and no member can write
 * it. The rows are of a class that has no objects, so neither pg_dump nor `pg_seclabels` sees them
 * (docs/adr/2026-11-23-role-and-database-resources.md).
 */
import type { BranchUid, IdentityUid, OperationUid } from '../domain/names.ts'
import type { RoleAttributes } from '../domain/role.ts'
import type { AdminSession } from './admin-session.ts'

export const providers = {
  role: 'lakelet role',
  database: 'lakelet database',
  branch: 'lakelet branch',
} as const
export type Labelled = 'role' | 'database'

export interface Label {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly create: number
  readonly update: number
  readonly by?: IdentityUid
  readonly op?: OperationUid
  /** Of a role: what the API gave it, which stays when it ends being a manager. */
  readonly grants?: RoleAttributes & { readonly superuser: boolean }
  /** Of a database: oid of the role that owns it for readers of the API. */
  readonly owner?: number
}

export const labelClass = `'pg_shseclabel'::regclass`

/** The label of `object`, as a join. */
export const labelJoin = (kind: Labelled, object: string): string =>
  `LEFT JOIN pg_shseclabel l ON l.objoid = ${object} AND l.classoid = ${labelClass} AND l.provider = '${providers[kind]}'`

/** Tolerant of what it finds: a label that cannot be read is none. */
export function parseLabel(text: string | null): Label | undefined {
  if (text === null) return undefined
  try {
    const label = JSON.parse(text) as Label
    const isWhole =
      typeof label.id === 'string' &&
      typeof label.create === 'number' &&
      typeof label.update === 'number'
    return isWhole ? label : undefined
  } catch {
    return undefined
  }
}

export async function writeLabel(
  session: AdminSession,
  kind: Labelled,
  oid: number,
  label: Label,
): Promise<void> {
  await removeLabel(session, kind, oid)
  await insert(session, providers[kind], oid, JSON.stringify(label))
}

export async function removeLabel(
  session: AdminSession,
  kind: Labelled,
  oid: number,
): Promise<void> {
  await remove(session, providers[kind], oid)
}

/** One row for the whole cluster: which branch it was settled for. */
export async function writeSettledFor(session: AdminSession, branch: BranchUid): Promise<void> {
  await remove(session, providers.branch, 1)
  await insert(session, providers.branch, 1, branch)
}

const insert = (session: AdminSession, provider: string, oid: number, label: string) =>
  session.rows(
    `INSERT INTO pg_shseclabel (objoid, classoid, provider, label)
     VALUES ($1::int8::oid, ${labelClass}, $2, $3)`,
    [oid, provider, label],
  )

const remove = (session: AdminSession, provider: string, oid: number) =>
  session.rows(
    `DELETE FROM pg_shseclabel
     WHERE objoid = $1::int8::oid AND classoid = ${labelClass} AND provider = $2`,
    [oid, provider],
  )
