/**
 * What a branch holds, put together from Postgres's catalogs and our labels. Pure: who has no id yet
 * gets one here, and who reads the catalogs writes it down (inspect.ts).
 */

import type { Database } from '../domain/database.ts'
import { deriveDatabaseId, deriveRoleId } from '../domain/derived-id.ts'
import type { BranchUid, DatabaseId, RoleId } from '../domain/names.ts'
import type { Role, RoleIdentityType } from '../domain/role.ts'
import { type EpochMs, epochMs } from '../lib/time.ts'
import type { BranchContents } from '../ports/role-resources.ts'
import { type Label, type Labelled, parseLabel } from './resource-label.ts'
import { broadRole, markers } from './role-names.ts'

export interface SeenRole {
  readonly oid: number
  readonly name: string
  readonly canLogin: boolean
  readonly createdb: boolean
  readonly createrole: boolean
  readonly bypassrls: boolean
  /** Which of our roles it is a direct member of. */
  readonly memberOf: readonly string[]
  readonly isManager: boolean
  readonly label: string | null
}

export interface SeenDatabase {
  readonly oid: number
  readonly name: string
  /** Oid of the owner in Postgres. */
  readonly owner: number
  readonly label: string | null
}

export interface Seen {
  readonly roles: readonly SeenRole[]
  readonly databases: readonly SeenDatabase[]
  readonly settledFor: string | null
  /** Labels whose object is gone. */
  readonly stale: readonly { readonly kind: Labelled; readonly oid: number }[]
}

export interface LabelWrite {
  readonly kind: Labelled
  readonly oid: number
  readonly label: Label
}

export interface ContentsPlan {
  readonly contents: BranchContents
  readonly writes: readonly LabelWrite[]
}

/** Ids that are written down stay; the others are derived in the order in which Postgres made them. */
export function planContents(
  { roles: seenRoles, databases: seenDatabases, settledFor }: Seen,
  { now, creator }: { readonly now: EpochMs; readonly creator: string | undefined },
): ContentsPlan {
  const writes: LabelWrite[] = []
  const roles = withIds(seenRoles, now, (row, isTaken) =>
    deriveRoleId(row.name, identityTypeOf(row), isTaken),
  ).map(({ row, label, isNew }): Role => {
    if (isNew) writes.push({ kind: 'role', oid: row.oid, label })
    const { name, canLogin, createdb, createrole, bypassrls, isManager } = row
    return {
      oid: row.oid,
      roleId: label.id as RoleId,
      postgresRole: name,
      identityType: identityTypeOf(row),
      canLogin,
      attributes: { createdb, createrole, bypassrls },
      isSuperuserMember: row.memberOf.includes(broadRole),
      isManager,
      ...history(label),
    }
  })
  const byOid = new Map(roles.map((role) => [role.oid, role]))
  const fallback = roles.find(({ postgresRole }) => postgresRole === creator)?.oid
  const databases = withIds(seenDatabases, now, (row, isTaken) =>
    deriveDatabaseId(row.name, isTaken),
  ).map(({ row, label, isNew }): Database => {
    // Postgres's word counts, unless the owner is the shared role, which stands for one of many.
    const owner = [row.owner, label.owner ?? 0, fallback ?? 0].find((oid) => byOid.has(oid))
    if (isNew || (owner !== undefined && owner !== label.owner)) {
      const owned = owner === undefined ? {} : { owner }
      writes.push({ kind: 'database', oid: row.oid, label: { ...label, ...owned } })
    }
    return {
      oid: row.oid,
      databaseId: label.id as DatabaseId,
      postgresDatabase: row.name,
      ownerId: owner === undefined ? undefined : byOid.get(owner)?.roleId,
      ...history(label),
    }
  })
  return {
    contents: { roles, databases, settledFor: (settledFor ?? undefined) as BranchUid | undefined },
    writes,
  }
}

function withIds<Row extends { readonly oid: number; readonly label: string | null }>(
  rows: readonly Row[],
  now: EpochMs,
  derive: (row: Row, isTaken: (id: string) => boolean) => string,
): readonly { readonly row: Row; readonly label: Label; readonly isNew: boolean }[] {
  const taken = new Set<string>()
  const known = new Map<Row, Label>()
  for (const row of rows) {
    const label = parseLabel(row.label)
    if (label === undefined || taken.has(label.id)) continue
    taken.add(label.id)
    known.set(row, label)
  }
  return rows.map((row) => {
    const label = known.get(row)
    if (label !== undefined) return { row, label, isNew: false }
    const id = derive(row, (wanted) => taken.has(wanted))
    taken.add(id)
    return { row, label: { id, create: now, update: now }, isNew: true }
  })
}

const identityTypeOf = ({ memberOf }: SeenRole): RoleIdentityType | undefined =>
  (Object.keys(markers) as RoleIdentityType[]).find((type) => memberOf.includes(markers[type]))

const history = ({ by, op, create, update }: Label) => ({
  createdBy: by,
  madeBy: op,
  createTime: epochMs(create),
  updateTime: epochMs(update),
})
