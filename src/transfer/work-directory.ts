/**
 * Where an import keeps what it has fetched: a directory named for its operation, the service user's. It is
 * also the mark of the programs at work for it: they name it in their arguments, so that those which a
 * server left behind when it was killed are found and ended before anything is begun anew.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, lchown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ServiceUser } from '../lib/service-user.ts'
import { run } from '../lib/subprocess.ts'
import { type Clock, millis, seconds } from '../lib/time.ts'

export async function makeWorkDirectory(
  root: string,
  name: string,
  user: ServiceUser | undefined,
): Promise<string> {
  await mkdir(root, { recursive: true })
  await chmod(root, 0o711)
  const directory = join(root, name)
  await mkdir(directory, { recursive: true })
  await chmod(directory, 0o700)
  if (user !== undefined) await lchown(directory, user.uid, user.gid)
  return directory
}

export async function removeWorkDirectory(root: string, name: string, clock: Clock): Promise<void> {
  const directory = join(root, name)
  await endStrays(directory, clock)
  await rm(directory, { recursive: true, force: true })
}

/** Nobody of ours waits for them any more; they only read, so they are not asked twice. */
export async function endStrays(directory: string, clock: Clock): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const pids = await workingOn(directory)
    if (pids.length === 0) return
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // it has just ended
      }
    }
    await clock.sleep(millis(20))
  }
  throw new Error(`programs at work on ${directory} do not end`)
}

async function workingOn(directory: string): Promise<readonly number[]> {
  const isAtWork = (command: string) =>
    /\bpg_(dump|restore|basebackup)\b/.test(command) && command.includes(directory)
  if (process.platform === 'linux') {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && isAtWork(commandOf(name)))
      .map(Number)
  }
  const listed = await run('ps', ['-axww', '-o', 'pid=,command='], { patience: seconds(10) })
  return listed
    .split('\n')
    .filter(isAtWork)
    .map((line) => Number.parseInt(line, 10))
}

/** Empty for one that has ended and was not yet waited for, too. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
