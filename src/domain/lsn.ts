/** Log sequence numbers: `bigint` inside, `16/B374D848` in text; never a `number`. */
import type { Brand } from '../lib/brand.ts'

export type Lsn = Brand<bigint, 'Lsn'>

const LSN = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/

/** `undefined` when the text is not an LSN. */
export function parseLsn(text: string): Lsn | undefined {
  const match = LSN.exec(text)
  if (match === null) return undefined
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn
}

export const formatLsn = (lsn: Lsn): string =>
  `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`

export const lsn = (value: bigint): Lsn => value as Lsn

/** Of one position or more; `Math.min` and `Math.max` know no bigint. */
export const earliest = (...positions: readonly [bigint, ...bigint[]]): bigint =>
  positions.reduce((found, position) => {
    if (position < found) return position
    return found
  })
export const latest = (...positions: readonly [bigint, ...bigint[]]): bigint =>
  positions.reduce((found, position) => {
    if (position > found) return position
    return found
  })
