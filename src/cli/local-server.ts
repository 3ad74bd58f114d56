/**
 * The server of this machine as its state directory tells it: `server.json`, which a running server
 * writes, and `owner-token`. A pid in a file may long be somebody else's, so it is believed only when
 * the process behind it is one of ours.
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { howToStart } from '../client/api-error.ts'
import { readSettings } from '../lib/read-settings.ts'
import { Secret } from '../lib/secret.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

export interface LocalServer {
  readonly pid: number
  /** Field 22 of /proc/PID/stat when the server wrote it: tells a reused pid for sure. */
  readonly startTime: string | undefined
  readonly apiHost: string
  readonly apiPort: number
  readonly pgPort: number
  readonly caFile: string
  /** For Node: ours and what the server's own environment trusted. */
  readonly nodeCaFile: string
  readonly stateDir: string
}

/** Where the state directory is, by flag, environment, settings file or default. */
export async function findStateDir(
  flags: Readonly<Record<string, string | undefined>>,
  { env, cwd }: Pick<CliIo, 'env' | 'cwd'>,
): Promise<string> {
  return (await readSettings({ flags, env, cwd })).stateDir
}

/** What the last server of this directory wrote, running or not; `undefined`: nothing there. */
export async function readLocalServer(stateDir: string): Promise<LocalServer | undefined> {
  const path = join(stateDir, 'server.json')
  const text = await readPrivate(path)
  if (text === undefined) return undefined
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new Refusal(`${path} is not JSON`, 'Restart the server, which writes it anew.')
  }
  const facts = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>
  const { pid, apiPort, pgPort, caFile, nodeCaFile, startTime, apiHost } = facts
  if (!isCount(pid) || !isCount(apiPort) || !isCount(pgPort) || typeof caFile !== 'string') {
    throw new Refusal(
      `${path} lacks one of pid, apiPort, pgPort and caFile`,
      'Restart the server, which writes it anew.',
    )
  }
  return {
    pid,
    startTime: /^\d+$/.test(String(startTime ?? '')) ? String(startTime) : undefined,
    apiHost: typeof apiHost === 'string' ? apiHost : '127.0.0.1',
    apiPort,
    pgPort,
    caFile,
    nodeCaFile: typeof nodeCaFile === 'string' ? nodeCaFile : caFile,
    stateDir,
  }
}

/** The owner's personal access token; `undefined`: no server was ever started here. */
export async function readOwnerToken(stateDir: string): Promise<Secret | undefined> {
  const text = await readPrivate(join(stateDir, 'owner-token'))
  return text === undefined ? undefined : new Secret(text.trim())
}

/** The running server and its owner's token. Throws Refusal: it is not running, or has none. */
export async function neededServer(
  stateDir: string,
): Promise<{ readonly server: LocalServer; readonly owner: Secret }> {
  const server = await readLocalServer(stateDir)
  if (server === undefined || !(await isRunning(server))) {
    throw new Refusal(`the Lakelet server of ${stateDir} is not running`, howToStart)
  }
  const owner = await readOwnerToken(stateDir)
  if (owner !== undefined) return { server, owner }
  throw new Refusal(`${stateDir} has no owner-token`, 'Restart the server, which makes one.')
}

/** Where to reach it from this machine. */
export function localUrl({ apiHost, apiPort }: LocalServer): string {
  const host = apiHost === '0.0.0.0' ? '127.0.0.1' : apiHost === '::' ? '::1' : apiHost
  return `http://${host.includes(':') ? `[${host}]` : host}:${apiPort}`
}

/** Whether the process that wrote `server.json` is there and is a Lakelet server. */
export async function isRunning({ pid, startTime }: LocalServer): Promise<boolean> {
  if (!isAlive(pid)) return false
  if (process.platform !== 'linux') return isOurs(await commandLine(pid))
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The command's name, in parentheses, may hold anything; the fields begin after its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (stat === '' || fields[0] === 'Z') return false
  if (startTime !== undefined) return fields[19] === startTime
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return isOurs(command.replaceAll('\0', ' '))
}

/** `node …/main/lakelet.js up`, or a title that the server gave itself. */
const isOurs = (command: string): boolean => /(^|[\s/])lakelet(\.[jt]s)?([\s:]|$)/.test(command)

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function commandLine(pid: number): Promise<string> {
  try {
    return (await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)])).stdout
  } catch {
    return ''
  }
}

async function readPrivate(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (code === 'EACCES' || code === 'EPERM') {
      throw new Refusal(
        `${path} may not be read by this user`,
        'Run this as the user who runs the server, or set DATABRICKS_HOST and DATABRICKS_TOKEN.',
      )
    }
    throw error
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0
