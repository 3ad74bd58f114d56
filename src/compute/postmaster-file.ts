/**
 * `postmaster.pid`: how a running Postgres tells that it holds a data directory and how far its
 * start is. It outlives a crash, so it proves nothing by itself: the process it names must be a
 * postgres on this very directory.
 */
import { readFileSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProcessFacts, ProcessTable } from './process-table.ts'

export interface PostmasterFile {
  readonly pid: number
  /** `undefined`: not written yet. */
  readonly status: 'starting' | 'ready' | 'standby' | 'stopping' | undefined
}

/** `undefined` when it is no such file, or one that is being written. */
export function parsePostmasterFile(text: string): PostmasterFile | undefined {
  const lines = text.split('\n')
  // A negative pid is a single-user backend, which never serves anyone.
  if (!/^\d+$/.test(lines[0] ?? '')) return undefined
  const status = lines[7]?.trim()
  return {
    pid: Number(lines[0]),
    status:
      status === 'starting' || status === 'ready' || status === 'standby' || status === 'stopping'
        ? status
        : undefined,
  }
}

/** Synchronous on purpose: some microseconds, asked for every other millisecond of a start. */
export function readPostmasterFile(dataDirectory: string): PostmasterFile | undefined {
  try {
    return parsePostmasterFile(readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8'))
  } catch {
    return undefined // not there, or it went while we read
  }
}

/**
 * The live postmaster of a data directory. The process must be `postgres -D <directory>` with that
 * directory as its working directory: a volume that was renamed away takes its postmaster's working
 * directory along. The start time in the file is not compared: it is calendar time, which a clock
 * set after boot moves against the kernel's, and no process can match the rest by accident.
 */
export async function findPostmaster(
  processes: ProcessTable,
  dataDirectory: string,
): Promise<(ProcessFacts & { readonly status: PostmasterFile['status'] }) | undefined> {
  const file = readPostmasterFile(dataDirectory)
  if (file === undefined) return undefined
  const facts = await processes.find(file.pid)
  if (facts === undefined || !isPostgresOn(facts.command, dataDirectory)) return undefined
  if (facts.workingDirectory !== undefined) {
    const here = await realpath(dataDirectory).catch(() => dataDirectory)
    if (facts.workingDirectory !== here) return undefined
  }
  return { ...facts, status: file.status }
}

/** Whether a command line is a postmaster's on this directory, as we start them. */
export const isPostgresOn = (command: string, dataDirectory: string): boolean =>
  command.includes(`/postgres -D ${dataDirectory} -c `)
