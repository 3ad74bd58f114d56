/**
 * Logs that do not grow without bound: a full one becomes `.1`, that one `.2` and so on, and the last is
 * dropped. Who writes a log itself begins a new file; of a log that another process holds open for
 * appending, the contents are copied away and the file is emptied.
 */
import {
  appendFileSync,
  closeSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { copyFile, stat } from 'node:fs/promises'

export interface LogBound {
  /** Of one file. */
  readonly bytes: number
  /** Full ones that are kept. */
  readonly files: number
}

/** Makes room for a `.1`. Absent files are nothing to move. */
export function shiftLogs(path: string, { files }: LogBound): void {
  rmSync(`${path}.${files}`, { force: true })
  for (let number = files - 1; number >= 1; number -= 1) {
    moveIfThere(`${path}.${number}`, `${path}.${number + 1}`)
  }
}

/** Puts a full log aside; the caller opens a new one. */
export function putLogAside(path: string, bound: LogBound): void {
  shiftLogs(path, bound)
  moveIfThere(path, `${path}.1`)
}

/** Bounds the log of a process that holds it open for appending. `true`: it was full. */
export async function boundForeignLog(path: string, bound: LogBound): Promise<boolean> {
  const size = await stat(path).then(
    (seen) => seen.size,
    () => 0,
  )
  if (size <= bound.bytes) return false
  const copy = `${path}.copying`
  await copyFile(path, copy)
  // What came meanwhile, and the emptying, without a turn in between: hardly a line can get lost.
  appendTail(path, copy)
  truncateSync(path, 0)
  shiftLogs(path, bound)
  renameSync(copy, `${path}.1`)
  return true
}

function appendTail(path: string, copy: string): void {
  const begin = statSync(copy).size
  const file = openSync(path, 'r')
  try {
    const rest = Buffer.alloc(Math.max(0, statSync(path).size - begin))
    const length = readSync(file, rest, 0, rest.length, begin)
    appendFileSync(copy, rest.subarray(0, length))
  } finally {
    closeSync(file)
  }
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
