/** A point in the history of a branch: what a client names, and where recovery really ended. */
import { type EpochMicros, epochMicros } from '../lib/time.ts'
import { formatLsn, type Lsn, parseLsn } from './lsn.ts'

export type Point =
  /** What was committed up to this moment. */
  | { readonly kind: 'time'; readonly time: EpochMicros }
  /** What the log holds before this position. */
  | { readonly kind: 'lsn'; readonly lsn: Lsn }

/** As it is kept in a row or an operation. */
export const formatPoint = (point: Point): string =>
  point.kind === 'time' ? `time ${point.time}` : `lsn ${formatLsn(point.lsn)}`

export function parsePoint(text: string): Point {
  const [kind, value = ''] = text.split(' ')
  if (kind === 'time' && /^-?\d+$/.test(value)) {
    return { kind, time: epochMicros(BigInt(value)) }
  }
  const lsn = kind === 'lsn' ? parseLsn(value) : undefined
  if (lsn === undefined) throw new Error(`not a point: ${JSON.stringify(text.slice(0, 100))}`)
  return { kind: 'lsn', lsn }
}

export const isSamePoint = (one: Point | undefined, other: Point | undefined): boolean =>
  one === undefined || other === undefined ? one === other : formatPoint(one) === formatPoint(other)
