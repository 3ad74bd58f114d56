/**
 * Time as two brands that cannot be mixed: a moment on the calendar and a length. This is the only
 * file that reads the machine's clocks or sets timers; everything else is handed a `Clock`.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Brand } from './brand.ts'

/** A moment: milliseconds since 1970-01-01T00:00:00Z, as the calendar clock tells it. */
export type EpochMs = Brand<number, 'EpochMs'>
/** A moment as Postgres stamps a commit: microseconds since 1970-01-01T00:00:00Z. */
export type EpochMicros = Brand<bigint, 'EpochMicros'>
/** A length of time in milliseconds. */
export type Millis = Brand<number, 'Millis'>

export const millis = (n: number): Millis => n as Millis
export const seconds = (n: number): Millis => (n * 1000) as Millis
export const minutes = (n: number): Millis => (n * 60_000) as Millis
export const hours = (n: number): Millis => (n * 3_600_000) as Millis
export const days = (n: number): Millis => (n * 86_400_000) as Millis

export const epochMs = (n: number): EpochMs => n as EpochMs
export const after = (moment: EpochMs, length: Millis): EpochMs => (moment + length) as EpochMs
export const before = (moment: EpochMs, length: Millis): EpochMs => (moment - length) as EpochMs
export const between = (from: EpochMs, to: EpochMs): Millis => (to - from) as Millis

/** RFC 3339 in UTC with a `Z`, as every answer of the API writes its moments. */
export const rfc3339 = (moment: EpochMs): string => new Date(moment).toISOString()

export const epochMicros = (n: bigint): EpochMicros => n as EpochMicros
export const toMicros = (moment: EpochMs): EpochMicros => (BigInt(moment) * 1000n) as EpochMicros
/** Rounded down. */
export const toMillis = (moment: EpochMicros): EpochMs =>
  Number((moment - (((moment % 1000n) + 1000n) % 1000n)) / 1000n) as EpochMs

/** As `rfc3339`; microseconds are written only where they are not zero. */
export function rfc3339Micros(moment: EpochMicros): string {
  const rest = moment - toMicros(toMillis(moment))
  const text = rfc3339(toMillis(moment))
  return rest === 0n ? text : text.replace('Z', `${String(rest).padStart(3, '0')}Z`)
}

export interface Clock {
  /** The calendar's moment: for what is stored and compared with stored moments. */
  now(): EpochMs
  /** Never steps back: for waits and measurements inside this process. */
  monotonic(): Millis
  /** Ends early, by rejecting, when the signal aborts. */
  sleep(length: Millis, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now() as EpochMs,
  monotonic: () => performance.now() as Millis,
  sleep: (length, signal) =>
    delay(length, undefined, signal === undefined ? undefined : { signal }).then(() => undefined),
}

/** A signal that aborts after a length of time; the timer does not keep the process alive. */
export const deadline = (length: Millis): AbortSignal => AbortSignal.timeout(length)

/** Calls back after a length of time unless cancelled first; does not keep the process alive. */
export function timer(length: Millis, then: () => void): { cancel(): void } {
  const handle = setTimeout(then, length)
  handle.unref()
  return { cancel: () => clearTimeout(handle) }
}
