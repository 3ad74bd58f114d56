/**
 * What the operating system knows of processes that we did not start ourselves: a Postgres that
 * outlived the server. Linux tells through /proc, other systems through `ps`. A pid alone names
 * nothing (it is reused); pid and start together do.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { run } from '../lib/subprocess.ts'
import { seconds } from '../lib/time.ts'

export interface ProcessFacts {
  readonly pid: number
  readonly parent: number
  /** Opaque: equal for the same life of a process, different after the pid was reused. */
  readonly start: string
  /** Arguments joined by blanks. */
  readonly command: string
  /** Where the system tells it. */
  readonly workingDirectory: string | undefined
}

export interface ProcessTable {
  /** `undefined`: there is none, or it is dead and not yet waited for. */
  find(pid: number): Promise<ProcessFacts | undefined>
  childrenOf(pid: number): Promise<readonly ProcessFacts[]>
  /** Processes with this text in their command line. */
  withCommand(text: string): Promise<readonly ProcessFacts[]>
  /** Processes whose working directory this is; empty where the system does not tell. */
  inDirectory(path: string): Promise<readonly ProcessFacts[]>
}

/** Fields of /proc/PID/stat; the command name may hold blanks and parentheses. */
export function parseStat(
  text: string,
): { readonly state: string; readonly parent: number; readonly start: string } | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, parent] = fields
  const start = fields[19] // starttime, field 22 of proc(5), in ticks since boot
  if (state === undefined || parent === undefined || start === undefined) return undefined
  return { state, parent: Number(parent), start }
}

/**
 * Synchronous on purpose: /proc is memory, and these are some microseconds; as turns through the thread
 * pool they would wait behind the copying of a clone, at every request that asks whether a compute lives.
 */
function findInProc(pid: number): ProcessFacts | undefined {
  try {
    const stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    return {
      pid,
      parent: stat.parent,
      start: stat.start,
      command: command.replaceAll('\0', ' ').trim(),
      workingDirectory: workingDirectoryOf(pid),
    }
  } catch {
    return undefined // it ended while we read
  }
}

function workingDirectoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return undefined // another user's
  }
}

const selectInProc = (isWanted: (facts: ProcessFacts) => boolean): readonly ProcessFacts[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => findInProc(Number(name)))
    .filter((facts): facts is ProcessFacts => facts !== undefined && isWanted(facts))

export const procTable: ProcessTable = {
  find: async (pid) => findInProc(pid),
  childrenOf: async (pid) => selectInProc((facts) => facts.parent === pid),
  withCommand: async (text) => selectInProc((facts) => facts.command.includes(text)),
  inDirectory: async (path) => selectInProc((facts) => facts.workingDirectory === path),
}

/** One line of `ps -o pid=,ppid=,stat=,lstart=,command=`; `lstart` is five words. */
export function parsePsLine(line: string): ProcessFacts | undefined {
  const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/.exec(line)
  const [, pid, parent, state = '', start = '', command = ''] = match ?? []
  if (pid === undefined || parent === undefined || state.startsWith('Z')) return undefined
  return {
    pid: Number(pid),
    parent: Number(parent),
    start: start.replace(/\s+/g, ' '),
    command: command.trim(),
    workingDirectory: undefined,
  }
}

async function ps(which: readonly string[]): Promise<readonly ProcessFacts[]> {
  const columns = 'pid=,ppid=,stat=,lstart=,command='
  const lines = await run('ps', ['-ww', ...which, '-o', columns], { patience: seconds(10) })
    .then((text) => text.split('\n'))
    .catch(() => []) // ps ends with 1 when there is no such process
  return lines.map(parsePsLine).filter((facts): facts is ProcessFacts => facts !== undefined)
}

export const psTable: ProcessTable = {
  find: async (pid) => (await ps(['-p', String(pid)]))[0],
  childrenOf: async (pid) => (await ps(['-ax'])).filter((facts) => facts.parent === pid),
  withCommand: async (text) => (await ps(['-ax'])).filter((facts) => facts.command.includes(text)),
  inDirectory: async () => [],
}

export const processTable: ProcessTable = process.platform === 'linux' ? procTable : psTable
