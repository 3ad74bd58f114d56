/**
 * When automatic snapshots are due: the cadences of a branch's schedule as moments, all in UTC. Pure:
 * croner computes the moments, and no timer of its own runs.
 */
import { Cron } from 'croner'
import { type EpochMs, epochMs, type Millis, millis } from '../lib/time.ts'
import { formatDuration } from './duration.ts'

export const daysOfWeek = [
  'SUNDAY',
  'MONDAY',
  'TUESDAY',
  'WEDNESDAY',
  'THURSDAY',
  'FRIDAY',
  'SATURDAY',
] as const
export type DayOfWeek = (typeof daysOfWeek)[number]

/** A type, not an interface: it is stored as JSON. Hours are 0–23, days of the month 1–31. */
export type Cadence = {
  /** How long its snapshots are kept. */
  readonly retention: Millis
  readonly every:
    | { readonly kind: 'day'; readonly hour: number }
    | { readonly kind: 'week'; readonly hour: number; readonly dayOfWeek: DayOfWeek }
    /** A day that a month does not have is its last one. */
    | { readonly kind: 'month'; readonly hour: number; readonly day: number }
}

/** The first moment of any cadence after `from`; `undefined`: there is no cadence. */
export function nextMoment(cadences: readonly Cadence[], from: EpochMs): EpochMs | undefined {
  const moments = cadences.map(({ every }) => next(every, from))
  return moments.length === 0 ? undefined : epochMs(Math.min(...moments))
}

/**
 * How long to keep the one snapshot that stands for every moment from `since` (the first that is due)
 * to `now`: the longest of those cadences that had one. `undefined`: none had.
 */
export function retentionOf(
  cadences: readonly Cadence[],
  since: EpochMs,
  now: EpochMs,
): Millis | undefined {
  const fired = cadences.filter(({ every }) => next(every, epochMs(since - 1)) <= now)
  return fired.length === 0
    ? undefined
    : millis(Math.max(...fired.map(({ retention }) => retention)))
}

function next(every: Cadence['every'], from: EpochMs): EpochMs {
  const cron = new Cron(patternOf(every), { utcOffset: 0 })
  let moment = new Date(from)
  for (;;) {
    const found = cron.nextRun(moment)
    if (found === null) throw new Error('a cadence has no next moment') // each month has every pattern
    if (every.kind !== 'month' || found.getUTCDate() === dayIn(found, every.day)) {
      return epochMs(found.getTime())
    }
    moment = found
  }
}

function patternOf(every: Cadence['every']): string {
  switch (every.kind) {
    case 'day':
      return `0 ${every.hour} * * *`
    case 'week':
      return `0 ${every.hour} * * ${daysOfWeek.indexOf(every.dayOfWeek)}`
    case 'month':
      return `0 ${every.hour} ${every.day > 28 ? `28-${every.day}` : every.day} * *`
  }
}

/** The wanted day in the month of this date, or that month's last. */
const dayIn = (date: Date, wanted: number): number =>
  Math.min(
    wanted,
    new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate(),
  )

export type CadenceResource = ReturnType<typeof renderCadence>

/** As the contract writes it. */
export function renderCadence({ retention, every }: Cadence) {
  const { hour } = every
  return {
    retention: formatDuration(retention),
    ...(every.kind === 'day' ? { daily_schedule: { hour } } : {}),
    ...(every.kind === 'week' ? { weekly_schedule: { day_of_week: every.dayOfWeek, hour } } : {}),
    ...(every.kind === 'month' ? { monthly_schedule: { day: every.day, hour } } : {}),
  }
}
