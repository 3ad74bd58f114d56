/** What the file system says about the pool, in the words of the fault registry. */
import { lstat, statfs } from 'node:fs/promises'
import { Fault } from '../domain/faults.ts'
import { readableBytes } from '../lib/byte-size.ts'
import { CommandFailed } from '../lib/subprocess.ts'

const full: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT'])
const broken: ReadonlySet<string> = new Set(['EROFS', 'EIO', 'ENXIO', 'ENODEV'])

export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined

export const isAbsent = (error: unknown): boolean => errorCode(error) === 'ENOENT'

/** Links count by themselves: where they lead is not asked. */
export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  }
}

export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path)
  return bavail * bsize
}

export const storageFull = (free: number, needed: string, cause?: unknown): Fault =>
  new Fault('STORAGE_FULL', { free: readableBytes(free), needed }, { cause })

export const isFull = (error: unknown): boolean => verdict(error) === 'full'

type Verdict = 'full' | 'broken' | undefined

function verdict(error: unknown): Verdict {
  if (error instanceof AggregateError) {
    return error.errors.map(verdict).find((found) => found !== undefined)
  }
  if (error instanceof CommandFailed) {
    if (/No space left on device|Disk quota exceeded/.test(error.stderr)) return 'full'
    if (/Read-only file system|Input\/output error/.test(error.stderr)) return 'broken'
  }
  const code = errorCode(error)
  if (code !== undefined && full.has(code)) return 'full'
  if (code !== undefined && broken.has(code)) return 'broken'
  return undefined
}

/** Runs work on the file system that holds `where`; "no space" and "read-only" become faults. */
export async function inPool<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    switch (verdict(error)) {
      case 'full':
        throw storageFull(await freeBytes(where).catch(() => 0), 'more', error)
      case 'broken':
        throw new Fault(
          'STORAGE_UNAVAILABLE',
          { problem: 'its file system is read-only or answers with errors' },
          { cause: error },
        )
      case undefined:
        throw error
    }
  }
}
