/** Reads every chunk that a backup names. */
import { Fault } from '../domain/faults.ts'
import type { Effort } from '../ports/backups.ts'
import { inTurn } from './chunks.ts'

export interface CheckedObjects {
  readonly objects: number
  readonly bytes: number
  readonly damage: readonly Fault[]
}

export async function verifyObjects(
  hashes: ReadonlySet<string>,
  effort: Effort,
  fetch: (hash: string) => Promise<Buffer>,
): Promise<CheckedObjects> {
  let bytes = 0
  const damage: Fault[] = []
  await inTurn(hashes, effort.signal, async (hash) => {
    try {
      const { length } = await fetch(hash)
      bytes += length
      effort.expect(length)
      effort.count(length, false)
    } catch (error) {
      if (!(error instanceof Fault) || error.reason !== 'BACKUP_DAMAGED') throw error
      damage.push(error)
    }
  })
  return { objects: hashes.size, bytes, damage }
}
