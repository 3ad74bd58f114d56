/** An identity: who calls the API and who logs in to Postgres. */
import type { EpochMs } from '../lib/time.ts'
import type { IdentityUid } from './names.ts'

export type IdentityKind = 'USER' | 'SERVICE_PRINCIPAL'

export interface Identity {
  readonly uid: IdentityUid
  readonly kind: IdentityKind
  /** The name that logs in: a user's e-mail, a service principal's application id (a UUID). */
  readonly loginName: string
  readonly displayName: string
  readonly isAdmin: boolean
  readonly isActive: boolean
  readonly createTime: EpochMs
}

/** What an identity may do with a project; each includes those before it. */
export const permissionLevels = ['CAN_USE', 'CAN_BRANCH', 'CAN_MANAGE'] as const
export type PermissionLevel = (typeof permissionLevels)[number]

export const atLeast = (has: PermissionLevel | undefined, needs: PermissionLevel): boolean =>
  has !== undefined && permissionLevels.indexOf(has) >= permissionLevels.indexOf(needs)

export const highest = (levels: readonly PermissionLevel[]): PermissionLevel | undefined =>
  permissionLevels.findLast((level) => levels.includes(level))
