/**
 * When a branch ends, as the client said it: exactly one of `ttl`, `expire_time` and `no_expiry`.
 * Only the form is judged here; the maximum and the present moment are the action's to compare.
 */
import type { EpochMs, Millis } from '../lib/time.ts'
import { parseDuration, parseTolerantDuration } from './duration.ts'
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

/**
 * `undefined`: the client said nothing. Strict: the service takes a ttl as `"21600s"` alone, refuses
 * other texts and numbers, and does not see an object at all.
 */
export function readExpiration(
  fields: ExpirationFields,
  { isStrict = false }: { readonly isStrict?: boolean } = {},
): ReadExpiration | undefined {
  const isUnseen = (member: (typeof members)[number]) =>
    fields[member] === undefined || (isStrict && member === 'ttl' && typeof fields.ttl === 'object')
  const given = members.filter((member) => !isUnseen(member))
  if (given.length > 1) throw new Fault('EXPIRATION_AMBIGUOUS', { given: given.join(' and ') })
  const [member] = given
  if (member === undefined) return undefined
  if (member === 'ttl') return { kind: 'ttl', ttl: readTtl(fields.ttl, isStrict) }
  if (member === 'expire_time') return { kind: 'at', time: readExpireTime(fields.expire_time) }
  if (fields.no_expiry === true) return { kind: 'never' }
  throw invalid(
    fields.no_expiry === false
      ? 'no_expiry: false says nothing about when the branch ends'
      : 'no_expiry must be true',
  )
}

function readTtl(value: unknown, isStrict: boolean): Millis {
  const strict = typeof value === 'string' ? parseDuration(value) : undefined
  const ttl = isStrict ? strict : parseTolerantDuration(value)
  if (ttl === undefined) {
    const forms = isStrict ? '"21600s"' : '"21600s", "6h" or "7d"'
    throw invalid(`ttl ${say(value)} is not a duration such as ${forms}`)
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
