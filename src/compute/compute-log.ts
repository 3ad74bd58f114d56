/**
 * What a compute writes to stderr: kept in one file a compute, bounded, and read back when a start
 * fails, because nobody can say better than Postgres why it did not start.
 */
import {
  closeSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
} from 'node:fs'
import { copyFile, open, rm, stat, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ServiceUser } from '../lib/service-user.ts'

const keptBytes = 1024 * 1024
export const boundBytes = 16 * 1024 * 1024

/**
 * A file that the service user's Postgres appends to (O_APPEND: after a truncation below it goes on at the new
 * end); an old one that has grown is put aside first. Returns where this run begins. Synchronous on
 * purpose: a handful of calls of some microseconds, on the way of every start.
 */
export function openComputeLog(path: string, serviceUser: ServiceUser | undefined): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size > keptBytes) renameSync(path, `${path}.1`)
  const file = openSync(path, 'a', 0o600)
  try {
    if (serviceUser !== undefined) fchownSync(file, serviceUser.uid, serviceUser.gid)
    return fstatSync(file).size
  } finally {
    closeSync(file)
  }
}

/** Bounds the log of a running compute, which holds the file open: copied aside, then emptied. */
export async function boundComputeLog(path: string, bound = boundBytes): Promise<void> {
  if ((await sizeOf(path)) <= bound) return
  await copyFile(path, `${path}.1`)
  await truncate(path, 0)
}

/** Removes a log with what was put aside of it. */
export async function forgetComputeLog(path: string): Promise<void> {
  await rm(path, { force: true })
  await rm(`${path}.1`, { force: true })
}

/** The last 64 KiB that were written from `begin` on. */
export async function readComputeLog(path: string, begin: number): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (file === undefined) return ''
  try {
    const { size } = await file.stat()
    const from = Math.max(size < begin ? 0 : begin, size - 65_536)
    const buffer = Buffer.alloc(Math.max(0, size - from))
    await file.read(buffer, 0, buffer.length, from)
    return buffer.toString('utf8')
  } finally {
    await file.close()
  }
}

const sizeOf = async (path: string): Promise<number> =>
  (await stat(path).catch(() => undefined))?.size ?? 0

/**
 * Postgres's own reason for not starting, fit for a client: one sentence, no paths. Pure.
 * A bad setting is told on a line of its own before a FATAL that only says that the file has errors.
 */
export function startProblem(log: string): string | undefined {
  const said = log
    .split('\n')
    .map((line) => /\b(LOG|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT): {2}(.*)$/.exec(line))
    .filter((match): match is RegExpExecArray => match !== null)
    .map(([, level = '', text = '']) => ({ level, text }))
  const last = said.findLastIndex(({ level }) => level === 'FATAL' || level === 'PANIC')
  const fatal = said[last]
  if (fatal === undefined) {
    if (said.length > 0) return undefined // it was at work, and somebody else ended it
    // The dynamic linker and the shell of the operating system have no levels.
    const line = log.trim().split('\n').at(-1)
    return line === undefined || line === '' ? undefined : withoutPaths(line)
  }
  const cause = /^configuration file ".*" contains errors/.test(fatal.text)
    ? said.slice(0, last).find(({ level }) => level === 'LOG' || level === 'ERROR')
    : undefined
  if (cause !== undefined) return withoutPaths(cause.text)
  const detail = said[last + 1]
  return withoutPaths(
    detail?.level === 'DETAIL' ? `${fatal.text}: ${detail.text.replace(/\.$/, '')}` : fatal.text,
  )
}

const withoutPaths = (text: string): string =>
  text
    .replace(/ in file "[^"]*"( line \d+)?/g, '')
    .replace(/"\/(?:[^"]*\/)?([^"/]*)"/g, '"$1"')
    .replace(/(^|[\s:=(])\/(?:[^\s/:]+\/)+/g, '$1')
    .replace(/[\u0000-\u001f\u007f]/g, ' ')
    .slice(0, 300)
