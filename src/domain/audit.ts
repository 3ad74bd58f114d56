/**
 * One entry of the audit log: who did what to which resource, from where, and what came of it. Names of
 * changed fields, never their values; ids of credentials, never the credentials.
 */
import type { EpochMs } from '../lib/time.ts'
import type { IdentityKind } from './identity.ts'

/**
 * `accepted`: work follows, whose end is an entry of its own (`succeeded` or `failed`). `refused`: nothing
 * was done, and `reason` says why.
 */
export const auditResults = ['accepted', 'succeeded', 'failed', 'refused'] as const
export type AuditResult = (typeof auditResults)[number]

/** `SYSTEM`: the server itself. `UNKNOWN`: somebody who proved nothing; `name` is what they claimed. */
export interface Actor {
  readonly kind: IdentityKind | 'SYSTEM' | 'UNKNOWN'
  readonly uid?: string
  /** Login name, as it was at the time. */
  readonly name?: string
  /** The coding agent that acted for this identity, as it told us. */
  readonly agent?: string
}

export interface Origin {
  readonly remoteAddress?: string
  readonly userAgent?: string
  readonly requestId?: string
  /** W3C trace id, 32 hex digits. */
  readonly traceId?: string
}

export type AuditDetails = Readonly<Record<string, string | number | boolean | readonly string[]>>

export interface AuditEntry {
  readonly time: EpochMs
  /** A verb and its object in kebab-case: `create-branch`. */
  readonly action: string
  /** Full name: `projects/app/branches/dev`, `identities/ann@example.com`. */
  readonly resource: string
  readonly resourceUid?: string
  /** Whoever manages this project may read the entry. */
  readonly projectUid?: string
  readonly actor: Actor
  readonly origin: Origin
  readonly result: AuditResult
  /** Of what was refused or failed: a reason of the registry of faults. */
  readonly reason?: string
  /** Full name of the operation that carries it out. */
  readonly operation?: string
  /** Names of the fields that were set. */
  readonly changed: readonly string[]
  readonly details: AuditDetails
  /** How many times it happened: more than 1 for repetitions that were put together. */
  readonly count: number
}

const mostNames = 100

/**
 * Names of the fields that a request sets, in the words of the API; of objects inside, those of their
 * fields (`pg_settings.work_mem`). Never a value.
 */
export function changedFields(spec: object, prefix = ''): readonly string[] {
  const names = Object.entries(spec).flatMap(([key, value]: [string, unknown]) => {
    if (value === undefined) return []
    const name = `${prefix}${key.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`)}`
    const isGroup =
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      !('kind' in value) && // a choice, such as an expiration, is one field
      prefix.split('.').length < 3
    const inner = isGroup ? changedFields(value, `${name}.`) : []
    return inner.length > 0 ? inner : [name]
  })
  return names.slice(0, mostNames)
}

const AGENT_TOKEN = /(?:^|\s)agent\/([A-Za-z0-9._+-]{1,64})(?=\s|$)/
const AGENT_NAME = /^[A-Za-z0-9._+-]{1,64}$/

/** The coding agent behind a request: our own header, else the `agent/NAME` of the SDKs' User-Agent. */
export function agentOf(header: string | undefined, userAgent: string): string | undefined {
  const named = header?.trim()
  if (named !== undefined && AGENT_NAME.test(named)) return named
  return AGENT_TOKEN.exec(userAgent)?.[1]
}
