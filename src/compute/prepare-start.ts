/**
 * What must be in place before a postmaster is spawned: its run directory with configuration of this
 * very start, and nothing left of an earlier life that would make Postgres refuse.
 */
import { chmodSync, chownSync, lchownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { standbySignal } from '../domain/clone-contents.ts'
import { Fault } from '../domain/faults.ts'
import type { Log } from '../lib/log.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type { Clock } from '../lib/time.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import {
  configurationFile,
  forcedSettings,
  hbaFile,
  hbaRules,
  identFile,
  type Places,
  refusedSettings,
  renderConfiguration,
  settingProblem,
} from './configuration.ts'
import { watchPostmaster } from './postmaster.ts'
import { isPostgresOn, readPostmasterFile } from './postmaster-file.ts'
import type { ProcessTable } from './process-table.ts'
import { endOrphans, endPostmaster } from './shutdown.ts'

export function writeConfiguration(
  spec: ComputeSpec,
  places: Places,
  serviceUser: ServiceUser | undefined,
  log: Log,
): void {
  const forced = forcedSettings(places)
  const settings: Record<string, string> = {}
  for (const [name, value] of Object.entries(spec.settings)) {
    const problem = settingProblem(name, value)
    if (problem !== undefined) throw new Fault('COMPUTE_FAILED', { endpoint: spec.uid, problem })
    if (name.toLowerCase() in forced || refusedSettings.has(name.toLowerCase())) {
      log.warn({ compute: spec.uid, setting: name }, 'ignore a setting that cannot be overridden')
    } else settings[name] = value
  }
  const files = {
    [configurationFile]: renderConfiguration(spec.major, settings),
    [hbaFile]: hbaRules,
    [identFile]: '',
  }
  // Synchronous on purpose: a dozen calls of some microseconds, which as many turns through the thread
  // pool would make ten milliseconds of every wake.
  mkdirSync(places.runDirectory, { recursive: true, mode: 0o700 })
  chmodSync(places.runDirectory, 0o700) // a trust socket: only the service user may reach it
  // Ours while we write: root must not follow a link that the service user laid here.
  if (serviceUser !== undefined) chownSync(places.runDirectory, 0, 0)
  for (const [name, contents] of Object.entries(files)) {
    const path = join(places.runDirectory, name)
    rmSync(path, { force: true })
    writeFileSync(path, contents, { mode: 0o600, flag: 'wx' })
    if (serviceUser !== undefined) chownSync(path, serviceUser.uid, serviceUser.gid)
  }
  if (serviceUser !== undefined) {
    chownSync(places.runDirectory, serviceUser.uid, serviceUser.gid)
  }
}

/**
 * Makes a data directory a standby's before each start of one: without this file Postgres would make
 * it a writable cluster of its own, for ever apart from its source. Clones never have it.
 */
export function markStandby(dataDirectory: string, serviceUser: ServiceUser | undefined): void {
  const path = join(dataDirectory, standbySignal)
  rmSync(path, { force: true }) // root must not write through a link that the service user laid here
  writeFileSync(path, '', { mode: 0o600, flag: 'wx' })
  if (serviceUser !== undefined) lchownSync(path, serviceUser.uid, serviceUser.gid)
}

/**
 * Called when no live postmaster of ours holds the data directory. Postgres takes any live process of
 * the same user for its predecessor when the pid in a lock file was reused, so lock files that are
 * proven stale are removed. A shared memory that backends still hold Postgres finds by itself: its key
 * is the data directory's, not the lock file's.
 */
export async function clearLeftovers(
  places: Places,
  processes: ProcessTable,
  clock: Clock,
): Promise<void> {
  await endStray(places, processes, clock)
  const file = readPostmasterFile(places.dataDirectory)
  if (file !== undefined) {
    await endOrphans(places.dataDirectory, processes, clock)
    const named = await processes.find(file.pid)
    // Gone, dead and not yet waited for (Postgres takes a zombie for alive), or somebody else's.
    if (named === undefined || !isPostgresOn(named.command, places.dataDirectory)) {
      await rm(join(places.dataDirectory, 'postmaster.pid'), { force: true })
    }
  }
  for (const name of await readdir(places.runDirectory)) {
    if (name.startsWith('.s.PGSQL.')) await rm(join(places.runDirectory, name), { force: true })
  }
}

/**
 * A postmaster of this compute on a directory that is not its volume any more (a reset swapped the
 * volume and the server died): its command line names our run directory. Nobody can reach it rightly.
 */
async function endStray(places: Places, processes: ProcessTable, clock: Clock): Promise<void> {
  const path = join(places.runDirectory, '.s.PGSQL.5432.lock')
  const text = await readFile(path, 'utf8').catch(() => '')
  const pid = Number(text.split('\n')[0])
  if (!Number.isInteger(pid) || pid <= 0) return
  const facts = await processes.find(pid)
  const isOurs = facts?.command.includes(`unix_socket_directories=${places.runDirectory} `)
  if (facts === undefined || isOurs !== true) return
  const stray = watchPostmaster(facts, processes, clock)
  try {
    await endPostmaster(stray, 'fast', processes, clock)
  } finally {
    stray.release()
  }
}
