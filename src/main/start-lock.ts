/**
 * One server a state directory, from before there is a catalog whose lock tells: two first starts at once
 * would initialise it under each other. A file that names its holder appears with its contents or not at all
 * (a link); a holder that is gone left a stale one, which only the owner of a directory beside it
 * takes away, so nobody removes the file of who was faster. Held as long as the server lives.
 */
import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { processTable } from '../compute/process-table.ts'
import type { Layout } from '../domain/layout.ts'
import { type Clock, millis, seconds } from '../lib/time.ts'

/** Thrown when another server runs or starts on the state directory. */
export class StateDirectoryHeld extends Error {
  override readonly name = 'StateDirectoryHeld'
}

/** A removal takes microseconds: whoever is at it for so long has died over it. */
const removalPatience = seconds(5)
const lookAgain = millis(20)

/** Resolves with how to let go. */
export async function holdStateDirectory(
  { root }: Pick<Layout, 'root'>,
  clock: Clock,
): Promise<() => Promise<void>> {
  const lock = join(root, 'server.lock')
  const own = await nameOf(process.pid)
  const draft = `${lock}.${randomUUID()}.draft`
  await writeFile(draft, own, { flag: 'wx', mode: 0o644 })
  try {
    for (;;) {
      if (await linked(draft, lock)) return async () => release(lock, own)
      const holder = await contents(lock)
      if (holder === undefined) continue // gone this moment
      if (await isAlive(holder)) {
        const pid = holder.split(' ')[0]
        throw new StateDirectoryHeld(
          `another Lakelet server is running or starting on ${root} (pid ${pid})`,
        )
      }
      await removeStale(lock, clock)
    }
  } finally {
    await rm(draft, { force: true })
  }
}

async function release(lock: string, own: string): Promise<void> {
  if ((await contents(lock)) === own) await rm(lock, { force: true })
}

async function removeStale(lock: string, clock: Clock): Promise<void> {
  const right = `${lock}.removal`
  try {
    await mkdir(right)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    const age = await stat(right).then(
      ({ mtimeMs }) => clock.now() - mtimeMs,
      () => 0,
    )
    if (age > removalPatience) await rmdir(right).catch(() => undefined)
    else await clock.sleep(lookAgain)
    return
  }
  try {
    const holder = await contents(lock)
    if (holder !== undefined && !(await isAlive(holder))) await rm(lock, { force: true })
  } finally {
    await rmdir(right)
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Pid and start: together they name one life of a process. */
const nameOf = async (pid: number): Promise<string> =>
  `${pid} ${(await processTable.find(pid))?.start ?? ''}\n`

/** Rubbish names nobody. */
async function isAlive(holder: string): Promise<boolean> {
  const pid = Number(holder.split(' ')[0])
  if (!Number.isInteger(pid) || pid <= 0) return false
  return (await processTable.find(pid)) !== undefined && (await nameOf(pid)) === holder
}

const contents = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code
