/**
 * When a branch ends, as the client said it: exactly one of `ttl`, `expire_time` and `no_expiry`.
 * Only the form is judged here; the maximum and the present moment are the action's to compare.
 */
import type { EpochMs, Millis } from '../lib/time.ts'
import { parseTolerantDuration } from './duration.ts'
import { Fault } from './faults.ts'
import { printable } from './names.ts'
import { parseTimestamp } from './timestamp.ts'

export interface ExpirationFields {
  readonly ttl?: unknown
  readonly expire_time?: unknown
  readonly no_expiry?: unknown
}

export type ReadExpiration =
  | { readonly kind: 'never' }
  | { readonly kind: 'ttl'; readonly ttl: Millis }
  | { readonly kind: 'at'; readonly time: EpochMs }

const members = ['ttl', 'expire_time', 'no_expiry'] as const

/** `undefined`: the client said nothing. */
export function readExpiration(fields: ExpirationFields): ReadExpiration | undefined {
  const given = members.filter((member) => fields[member] !== undefined)
  if (given.length > 1) throw new Fault('EXPIRATION_AMBIGUOUS', { given: given.join(' and ') })
  const [member] = given
  if (member === undefined) return undefined
  if (member === 'ttl') return { kind: 'ttl', ttl: readTtl(fields.ttl) }
  if (member === 'expire_time') return { kind: 'at', time: readExpireTime(fields.expire_time) }
  if (fields.no_expiry === true) return { kind: 'never' }
  throw invalid(
    fields.no_expiry === false
      ? 'no_expiry: false says nothing about when the branch ends'
      : 'no_expiry must be true',
  )
}

function readTtl(value: unknown): Millis {
  const ttl = parseTolerantDuration(value)
  if (ttl === undefined) {
    throw invalid(`ttl ${say(value)} is not a duration such as "21600s", "6h" or "7d"`)
  }
  if (ttl <= 0) throw invalid(`ttl ${say(value)} is not above 0`)
  return ttl
}

function readExpireTime(value: unknown): EpochMs {
  const time = typeof value === 'string' ? parseTimestamp(value) : undefined
  if (time === undefined) {
    throw invalid(`expire_time ${say(value)} is not a time such as "2030-01-31T12:00:00Z"`)
  }
  return time
}

const say = (value: unknown): string => printable(JSON.stringify(value) ?? 'undefined')

const invalid = (problem: string): Fault => new Fault('EXPIRATION_INVALID', { problem })
