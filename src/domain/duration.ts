/**
 * Durations in protobuf JSON (google.protobuf.Duration): decimal seconds with an `s`, as in
 * `"21600s"` or `"3.5s"`. `parseTolerantDuration` also takes what people send in its place.
 */
import { parse as parseHuman } from '@lukeed/ms'
import { type Millis, millis } from '../lib/time.ts'

const PROTO = /^(-?\d{1,12})(?:\.(\d{1,9}))?s$/

/** `undefined` when the text is not a protobuf duration. Precision: milliseconds, rounded down. */
export function parseDuration(text: string): Millis | undefined {
  const match = PROTO.exec(text)
  if (match === null) return undefined
  const [, whole = '0', fraction = ''] = match
  const part = Number(fraction.slice(0, 3).padEnd(3, '0'))
  const value = Number(whole) * 1000
  return millis(whole.startsWith('-') ? value - part : value + part)
}

/** `"21600s"`, with a fraction only where there is one. */
export function formatDuration(length: Millis): string {
  const sign = length < 0 ? '-' : ''
  const rest = Math.abs(length)
  const fraction = rest % 1000
  const tail = fraction === 0 ? '' : `.${String(fraction).padStart(3, '0').replace(/0+$/, '')}`
  return `${sign}${Math.floor(rest / 1000)}${tail}s`
}

/**
 * The contract's form, or one of those that people and old clients send: `{seconds, nanos}` (numbers
 * or digits), a bare number of seconds, `"6h"`, `"7d"`. `undefined` for anything else.
 */
export function parseTolerantDuration(value: unknown): Millis | undefined {
  if (typeof value === 'number')
    return Number.isFinite(value) ? millis(Math.floor(value * 1000)) : undefined
  if (typeof value === 'string') {
    const proto = parseDuration(value)
    if (proto !== undefined) return proto
    if (!/^\d{1,9}(\.\d+)?\s?(s|m|h|d|w)$/.test(value)) return undefined
    const human = parseHuman(value)
    return human === undefined ? undefined : millis(Math.floor(human))
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const { seconds = 0, nanos = 0, ...rest } = value as Record<string, unknown>
    if (Object.keys(rest).length > 0 || Object.keys(value).length === 0) return undefined
    const whole = wholeNumber(seconds)
    const part = wholeNumber(nanos)
    if (whole === undefined || part === undefined || Math.abs(part) >= 1e9) return undefined
    return millis(whole * 1000 + Math.trunc(part / 1e6))
  }
  return undefined
}

function wholeNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d{1,12}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined
}

/** `21600000` → `6 hours`: for sentences, never for the wire. */
export function sayDuration(length: Millis): string {
  for (const [unit, size] of [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
  ] as const) {
    if (length >= size && length % size === 0) {
      const count = length / size
      return `${count} ${unit}${count === 1 ? '' : 's'}`
    }
  }
  return `${length / 1000} seconds`
}
