/**
 * The compute room: one supervisor a compute, toolchains shared by all. It runs endpoints and the
 * embedded catalog alike and knows nothing of either.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Layout } from '../domain/layout.ts'
import type { EndpointUid } from '../domain/names.ts'
import type { Log } from '../lib/log.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { type Clock, type Millis, seconds } from '../lib/time.ts'
import type { ComputeState, Computes, StopMode } from '../ports/compute.ts'
import { bracketSource, markLog } from './bracket.ts'
import { checkRelations } from './check-relations.ts'
import { majorOf } from './cluster-major.ts'
import { canUpgradeCluster, endUpgrade, upgradeCluster } from './cluster-upgrade.ts'
import { boundComputeLog, forgetComputeLog } from './compute-log.ts'
import type { ConnectTo } from './connection.ts'
import { copyDatabase } from './database-copy.ts'
import { initializeCluster } from './initialize.ts'
import { readInstallation } from './installation.ts'
import {
  readActivity,
  readCheckpointLsn,
  readLogicalSize,
  readNextXid,
  readPosition,
  readStartTime,
} from './observations.ts'
import { processTable } from './process-table.ts'
import { newestTimelineBegan } from './promotion.ts'
import { awaitReplay, followNow, readLogReach, readOldestHeld } from './replay.ts'
import { type Room, Supervisor, startPatience } from './supervisor.ts'
import { type ExtensionFile, findToolchains, inPlaceOf, Toolchains } from './toolchain.ts'
import { endTraced, listTraces } from './traces.ts'
import { WaitingShell } from './waiting-shell.ts'

export interface OpenComputes extends Computes {
  /** `detach`: computes run on and a later server adopts them. Otherwise all of them are stopped. */
  close(mode: 'detach' | StopMode): Promise<void>
}

export interface ComputesOptions {
  readonly layout: Layout
  readonly serviceUser: ServiceUser | undefined
  /** Written beside the toolchains' own extensions, as `name.control` and `name--1.0.sql`. */
  readonly extensionFiles: readonly ExtensionFile[]
  /** Postgres installations of the user's own, which replace the embedded ones of their majors. */
  readonly postgresDirs?: readonly string[]
  readonly log: Log
  readonly clock: Clock
}

/** sun_path holds 108 bytes on Linux and 104 on macOS, its terminator included. */
const socketPathLimit = 103
const boundLogsEvery: Millis = seconds(60)

export async function openComputes(options: ComputesOptions): Promise<OpenComputes> {
  const { layout, serviceUser, extensionFiles, log, clock } = options
  await mkdir(layout.run, { recursive: true, mode: 0o755 })
  await mkdir(layout.log, { recursive: true, mode: 0o755 })
  const named = await Promise.all((options.postgresDirs ?? []).map(readInstallation))
  const installed = inPlaceOf(findToolchains(), named)
  const toolchains = new Toolchains(layout.toolchains, extensionFiles, installed)
  const supervisors = new Map<EndpointUid, Supervisor>()
  const listeners = new Set<(uid: EndpointUid, state: ComputeState) => void>()
  const closing = new AbortController()
  const room: Room = {
    runDirectory: layout.run,
    logDirectory: layout.log,
    serviceUser,
    log,
    clock,
    processes: processTable,
    toolchains,
    shell: new WaitingShell(serviceUser),
    changed: (uid, state) => {
      for (const listener of listeners) {
        try {
          listener(uid, state)
        } catch (error) {
          log.error({ compute: uid, err: error }, 'tell of a compute that changed')
        }
      }
    },
  }

  const upgradeRoom = { toolchains, serviceUser, processes: processTable, clock }
  const socketDirectory = (uid: EndpointUid): string => join(layout.run, uid)
  const supervisorOf = (uid: EndpointUid): Supervisor => {
    if (closing.signal.aborted) throw new Error('the compute room is closed')
    const known = supervisors.get(uid)
    if (known !== undefined) return known
    const socket = join(socketDirectory(uid), '.s.PGSQL.5432')
    if (Buffer.byteLength(socket) > socketPathLimit) {
      throw new Error(`the state directory is too deep: ${socket} is too long for a socket`)
    }
    const made = new Supervisor(uid, room)
    supervisors.set(uid, made)
    return made
  }
  const runningAt = (uid: EndpointUid): ConnectTo => ({
    socketDirectory: socketDirectory(uid),
    major: supervisorOf(uid).running.major,
  })

  const boundLogs = async () => {
    for (;;) {
      await clock.sleep(boundLogsEvery, closing.signal)
      for (const [uid, supervisor] of supervisors) {
        await boundComputeLog(supervisor.logPath).catch((error) =>
          log.warn({ compute: uid, err: error }, 'bound log'),
        )
      }
    }
  }
  boundLogs().catch(() => undefined) // ends by close

  return {
    startPatience,
    toolchains: () => toolchains.installed,
    initialize: async (major, directory, how) => {
      const { initdb } = await toolchains.open(major)
      await initializeCluster(initdb, major, directory, serviceUser, how)
    },
    ensureReady: async (spec, signal) => supervisorOf(spec.uid).ensureReady(spec, signal),
    reload: async (spec) => {
      await supervisors.get(spec.uid)?.reload(spec)
    },
    stop: async (uid, mode) => {
      await supervisors.get(uid)?.stop(mode)
    },
    forget: async (uid) => {
      await supervisors.get(uid)?.stop('immediate')
      supervisors.delete(uid)
      await rm(socketDirectory(uid), { recursive: true, force: true })
      await forgetComputeLog(join(layout.log, `${uid}.log`))
    },
    traces: async () => listTraces(room, processTable),
    endUnknown: async (uid) => endTraced(uid, room, processTable, clock),
    state: (uid) => supervisors.get(uid)?.state ?? { kind: 'stopped' },
    look: async (uid) => (await supervisors.get(uid)?.look()) ?? { kind: 'stopped' },
    adopt: async (spec) => supervisorOf(spec.uid).adopt(spec),
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    socketDirectory,
    activity: async (uid) => readActivity(runningAt(uid)),
    bracket: async (uid, kind, steps) => bracketSource(runningAt(uid), kind, steps, clock),
    oldestHeld: async (uid) => readOldestHeld(runningAt(uid)),
    markLog: async (uid) => markLog(runningAt(uid), clock),
    recoveredTo: async (uid) => {
      const { recoveredTo, running } = supervisorOf(uid)
      if (recoveredTo !== undefined) return recoveredTo
      // Taken over after its start: the later of the two ways in which recovery can have ended.
      const checkpoint = await readCheckpointLsn(runningAt(uid))
      const promoted = (await newestTimelineBegan(running.dataDirectory)) ?? 0n
      return promoted > checkpoint ? promoted : checkpoint
    },
    firstXid: async (uid) => supervisorOf(uid).firstXid ?? readNextXid(runningAt(uid)),
    position: async (uid) => readPosition(runningAt(uid)),
    startTime: async (uid) => readStartTime(runningAt(uid)),
    logicalSize: async (uid) => readLogicalSize(runningAt(uid)),
    copyDatabase: async (from, to, how) => {
      const directories = toolchains.programDirectories()
      return copyDatabase({ serviceUser, directories }, runningAt(from), runningAt(to), how)
    },
    canUpgradeCluster: (from, to) => canUpgradeCluster({ toolchains }, from, to),
    upgradeCluster: (job) => upgradeCluster(upgradeRoom, job),
    endUpgrade: (dataDirectories) => endUpgrade(upgradeRoom, dataDirectories),
    majorOf,
    sweepToolchains: () => toolchains.sweep(processTable),
    checkRelations: async (uid, how) => checkRelations(runningAt(uid), how),
    logReach: async (uid) => readLogReach(runningAt(uid)),
    awaitReplay: async (uid, goal) => awaitReplay(runningAt(uid), goal, clock),
    followNow: async (uid) => followNow(runningAt(uid)),
    close: async (mode) => {
      closing.abort()
      room.shell.close()
      const all = [...supervisors.values()]
      if (mode === 'detach') await Promise.all(all.map((supervisor) => supervisor.release()))
      else await endAll(all, mode)
    },
  }
}

/** Every one is tried, whatever becomes of the others. */
async function endAll(all: readonly Supervisor[], mode: StopMode): Promise<void> {
  const results = await Promise.allSettled(all.map((supervisor) => supervisor.stop(mode)))
  const failures = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  )
  if (failures.length > 0) throw new AggregateError(failures, 'stop computes')
}
