/** What actions work with: the ports, and the settings that decide. Built once, in `main/`. */

import type { Endpoint } from '../domain/endpoint.ts'
import type { EndpointUid } from '../domain/names.ts'
import type { PostgresMajor } from '../domain/project.ts'
import type { KeyedMutex } from '../lib/keyed-mutex.ts'
import type { Log } from '../lib/log.ts'
import type { Clock, Millis } from '../lib/time.ts'
import type { BackupPlaces } from '../ports/backups.ts'
import type { Catalog } from '../ports/catalog.ts'
import type { Computes } from '../ports/compute.ts'
import type { Roles } from '../ports/roles.ts'
import type { SecretBox } from '../ports/secret-box.ts'
import type { Storage } from '../ports/storage.ts'
import type { Tokens } from '../ports/tokens.ts'
import type { Transfers } from '../ports/transfer.ts'
import type { AuditNotes } from './audit-notes.ts'
import type { Limits } from './limits.ts'
import type { GatewayControl } from './session.ts'

export interface Policy extends Limits {
  /** Longest expiration of a branch, from now. */
  readonly maxBranchTtl: Millis
  /** Given to branches whose create names no expiration; `undefined`: such a create is refused. */
  readonly defaultBranchTtl: Millis | undefined
  /** `strict`: where we are more generous than the service, answer as it does. */
  readonly contract: 'generous' | 'strict'
  /** Awake at once in a project beside its default branch; `undefined`: no limit. */
  readonly maxActiveComputes: number | undefined
  readonly credentialTtl: { readonly min: Millis; readonly max: Millis; readonly default: Millis }
  readonly defaultMajor: PostgresMajor
  /** How long all that a branch is bound to has been gone before it is collected. */
  readonly collectGrace: Millis
}

export interface Services {
  readonly catalog: Catalog
  readonly storage: Storage
  readonly computes: Computes
  readonly roles: Roles
  readonly tokens: Tokens
  readonly backupPlaces: BackupPlaces
  readonly transfers: Transfers
  readonly secrets: SecretBox
  readonly clock: Clock
  readonly log: Log
  /** For what the audit log is told beside a transaction. */
  readonly auditNotes: AuditNotes
  readonly policy: Policy
  /** Aborts when the server begins to stop its computes: from then on none is started. */
  readonly stopping: AbortSignal
  /** Guards each branch's volume: who starts, stops, clones or deletes it holds its uid. */
  readonly volumes: KeyedMutex
  /** Endpoints whose computes have been allowed to start, and have not begun to. */
  readonly waking: Set<EndpointUid>
  /** The gateway's listening addresses and sessions. */
  readonly door: Pick<
    GatewayControl,
    'listen' | 'unlisten' | 'endSessions' | 'heldSessions' | 'endHeld'
  >
  /** What a client's libpq dials for this endpoint. */
  hostOf(endpoint: Endpoint): string
}
