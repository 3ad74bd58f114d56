/**
 * Moments as clients write them: RFC 3339 with any offset. Fractions down to nanoseconds are read
 * and rounded down to microseconds, which is all that Postgres knows, or to milliseconds, which is all
 * that `EpochMs` holds.
 */
import {
  type EpochMicros,
  type EpochMs,
  epochMicros,
  epochMs,
  toMicros,
  toMillis,
} from '../lib/time.ts'

const RFC3339 = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/

/** `undefined` when the text is not a moment of the calendar in RFC 3339. */
export function parseTimestamp(text: string): EpochMs | undefined {
  const moment = parseTimestampMicros(text)
  return moment === undefined ? undefined : toMillis(moment)
}

/** The same in full. */
export function parseTimestampMicros(text: string): EpochMicros | undefined {
  const match = RFC3339.exec(text)
  if (match === null) return undefined
  const [, date = '', time = '', fraction = '', zone = ''] = match
  const local = Date.parse(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}Z`)
  if (Number.isNaN(local)) return undefined
  // The machine's parser carries 30 February over to March, and 24:00 over to the next day.
  if (!new Date(local).toISOString().startsWith(`${date}T${time}`)) return undefined
  const offset = offsetMs(zone)
  if (offset === undefined) return undefined
  const rest = BigInt(fraction.slice(3, 6).padEnd(3, '0'))
  return epochMicros(toMicros(epochMs(local - offset)) + rest)
}

function offsetMs(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(4, 6))
  if (hours > 23 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000
}
