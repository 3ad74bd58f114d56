/**
 * Lengths of time as people type them at a command line or into a settings file: `604800s`, `168h`,
 * `7d`, `3w`, and in Go's compound form `1h30m`. The wire form is another one (protobuf JSON).
 */
import { type Millis, millis } from './time.ts'

const sizes = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
} as const

const PART = /(\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h|d|w)/g
const WHOLE = /^(?:\d{1,15}(?:\.\d{1,9})?(?:ms|s|m|h|d|w)){1,6}$/

/** `undefined` for anything without a unit (except `0`), with a sign, or too long for a number. */
export function parseHumanDuration(text: string): Millis | undefined {
  if (text === '0') return millis(0)
  if (!WHOLE.test(text)) return undefined
  let total = 0
  for (const [, amount = '0', unit = 'ms'] of text.matchAll(PART)) {
    total += Number(amount) * sizes[unit as keyof typeof sizes]
  }
  const rounded = Math.round(total)
  return Number.isSafeInteger(rounded) ? millis(rounded) : undefined
}

/** `"21600s"`: how the API wants it. */
export function toWireDuration(length: Millis): string {
  const fraction = length % 1000
  const tail = fraction === 0 ? '' : `.${String(fraction).padStart(3, '0').replace(/0+$/, '')}`
  return `${Math.floor(length / 1000)}${tail}s`
}

export const humanDurationForms = 'a length of time such as 90s, 30m, 6h, 7d or 1h30m'
