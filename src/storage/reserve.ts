/**
 * Room that is kept. Two lines: above the upper one new branches, snapshots and projects may begin; what
 * has begun, and what is there, goes on down to the lower one and beyond. Pure.
 */
import type { Room } from '../ports/storage.ts'

/** No draft is written when less than this is free: its source needs the rest more. */
export const reserveBytes = 64 * 2 ** 20

/** Of the smaller of a share of the whole and a number of bytes; never less than a draft needs. */
export interface Reserve {
  /** 0 to 1. */
  readonly share: number
  readonly bytes: number
}

export interface Reserves {
  readonly pool: Reserve
  /** Of the ordinary file systems that hold WAL and catalog. */
  readonly disk: Reserve
}

/** No more than what a draft needs. */
export const smallestReserves: Reserves = {
  pool: { share: 0, bytes: 0 },
  disk: { share: 0, bytes: 0 },
}

export function roomOf(
  { share, bytes }: Reserve,
  { total, free }: { readonly total: number; readonly free: number },
): Room {
  const kept = Math.max(reserveBytes, Math.min(Math.floor(total * share), bytes))
  return { totalBytes: total, freeBytes: free, reserveBytes: kept, isEnough: free >= kept }
}
