/** Blocks that the files of a tree hold, as `du` counts them. Files may vanish meanwhile. */
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { inParallel } from './in-parallel.ts'
import { isAbsent } from './pool-faults.ts'

/** `undefined` when there is no such tree. */
export async function allocatedBytes(path: string): Promise<number | undefined> {
  let bytes = 0
  try {
    const entries = await readdir(path, { recursive: true })
    await inParallel(['', ...entries], async (entry) => {
      try {
        const { blocks } = await lstat(join(path, entry))
        bytes += blocks * 512 // after the wait: others add meanwhile
      } catch (error) {
        if (!isAbsent(error)) throw error
      }
    })
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
  return bytes
}
