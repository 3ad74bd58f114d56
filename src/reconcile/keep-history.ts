/**
 * Keeps the history of branches: takes their bases (the first right after a branch is READY, then by volume
 * of WAL and age), lets go of what is too old, counts what it costs, and makes history give way when
 * the disk that WAL is on runs short. One branch after the other, so that it stands in nobody's way.
 */
import { collectHistory, type Kept } from '../actions/collect-history.ts'
import { basesOf, baseVolume } from '../actions/history-volumes.ts'
import type { Services } from '../actions/services.ts'
import { eraseBase, takeBase } from '../actions/take-base.ts'
import { volumeOf } from '../actions/volume-of.ts'
import { isBaseDue, type ReadyBase } from '../domain/base.ts'
import type { Branch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import type { BranchUid, VolumeUid } from '../domain/names.ts'
import { inFailpointScope } from '../lib/failpoint.ts'
import {
  after,
  days,
  type EpochMs,
  epochMs,
  type Millis,
  millis,
  minutes,
  seconds,
  toMicros,
} from '../lib/time.ts'
import type { ReadyWriter } from '../ports/catalog.ts'

const awakeEvery = seconds(10)
const asleepEvery = minutes(10)
/** What a history takes, of a branch that was written to since, and of others: what they share may change owners. */
const countedEvery = minutes(10)
const countedAtRestEvery = days(1)
/** To ask a file system costs a second for a base that a thousand others share: so much rest for each count. */
const restPerCount = 20
/** After a look at a branch that is asleep, in times of what it took. */
const restPerLook = 9
/** Those that are awake are looked at first, and again after so long. */
const longestRun = seconds(5)
/** A branch that has just become READY is somebody's who wants to connect. */
const firstAfter = seconds(1)
const afterFailure = minutes(1)

export interface HistoryKeeper {
  run(): Promise<EpochMs | undefined>
  /** For `lakelet status`. */
  describe(): Promise<Record<string, unknown>>
}

interface Looked {
  /** A reset or restore gives the branch another, whose history is yet to begin. */
  readonly volume: VolumeUid
  at: EpochMs
  /** Of its log, when it was looked at. */
  end: bigint
  /** When it was counted last, and the end of the log then. */
  counted: { readonly at: EpochMs; readonly end: bigint } | undefined
}

export function historyKeeper(
  services: Services,
  { longest }: { /** Above what a project asks for. */ readonly longest: Millis | undefined },
): HistoryKeeper {
  const { catalog, storage, computes, clock, log, stopping } = services
  const looked = new Map<BranchUid, Looked>()
  const gaveWay = new Map<BranchUid, EpochMs>()
  let isSettled = false
  let notBefore = epochMs(0)
  let countNotBefore = 0 // of the clock that is never set

  /** Still to come; farther than it can have been put off, the clock has been set back since. */
  const isAhead = (moment: EpochMs, most: Millis): boolean =>
    moment > clock.now() && moment <= after(clock.now(), most)

  /** What a server that is gone was taking or removing. */
  const settle = async () => {
    for (const base of await catalog.bases.unsettled()) {
      await services.volumes.run(base.branchUid, () => eraseBase(services, base))
    }
    isSettled = true
  }

  const lookedAt = ({ uid, volumeUid }: ReadyWriter['branch']): Looked | undefined => {
    const known = looked.get(uid)
    return known?.volume === volumeUid ? known : undefined
  }

  const look = async (writer: ReadyWriter): Promise<void> => {
    const { uid, volumeUid: volume } = writer.branch
    const known = lookedAt(writer.branch)
    const next: Looked = {
      volume,
      at: after(clock.now(), isAwake(writer) ? awakeEvery : asleepEvery),
      end: 0n,
      counted: known?.counted,
    }
    looked.set(uid, next)
    try {
      const context = await catalog.endpoints.context(writer.uid)
      if (context === undefined) return
      const { branch, project } = context
      const retention = millis(Math.min(project.historyRetention, longest ?? Infinity))
      const kept = await collectHistory(services, uid, retention)
      if (kept === undefined) return
      next.end = kept.end
      const isAtRest = !isAwake(writer) || known?.end === next.end
      const taken = await takeIfDue(branch, kept, isAtRest)
      await show(branch, taken === undefined ? kept.bases : [...kept.bases, taken], next)
    } catch (error) {
      next.at = after(clock.now(), afterFailure)
      log.warn({ err: error, branch: uid }, 'cannot keep the history of a branch')
    }
  }

  const isAwake = ({ uid }: ReadyWriter): boolean => computes.state(uid).kind === 'ready'

  const takeIfDue = async (
    branch: Branch,
    { bases, end }: Kept,
    isAtRest: boolean,
  ): Promise<ReadyBase | undefined> => {
    const now = toMicros(clock.now())
    const copied = storage.can.instantClone ? 0 : branch.logicalSizeBytes
    if (!isBaseDue(bases.at(-1), { end, now, isAtRest, copied })) return undefined
    const began = clock.monotonic()
    const base = await takeBase(services, branch)
    const ms = Math.round(clock.monotonic() - began)
    if (base !== undefined) log.info({ branch: branch.uid, base: base.uid, ms }, 'base taken')
    return base
  }

  const show = async (branch: Branch, kept: readonly ReadyBase[], next: Looked): Promise<void> => {
    const isCounted = isCountDue(next)
    if (isCounted) next.counted = { at: clock.now(), end: next.end }
    const historyBytes = isCounted ? await count(branch, kept) : branch.historyBytes
    const first = kept[0]
    const windowStart = first && { time: first.time, lsn: first.consistent }
    const isSame =
      windowStart?.lsn === branch.windowStart?.lsn && historyBytes === branch.historyBytes
    if (!isSame) await catalog.branches.update(branch.uid, { windowStart, historyBytes })
  }

  const isCountDue = ({ counted, end }: Looked): boolean => {
    if (clock.monotonic() < countNotBefore) return false
    if (counted === undefined) return true
    const every = counted.end === end ? countedAtRestEvery : countedEvery
    return !isAhead(after(counted.at, every), every)
  }

  const count = async (branch: Branch, kept: readonly ReadyBase[]): Promise<number> => {
    const began = clock.monotonic()
    let bytes = await storage.walBytes(volumeOf(branch))
    for (const base of kept) {
      const exclusive = await storage.exclusiveBytes(baseVolume(base))
      await catalog.bases.recordBytes(base.uid, exclusive)
      bytes += exclusive ?? 0
    }
    const now = clock.monotonic()
    countNotBefore = now + (now - began) * restPerCount
    return bytes
  }

  /** Oldest first, where most is to be had; a new base sets the WAL of an only one free. */
  const giveWay = async (writers: readonly ReadyWriter[]): Promise<void> => {
    for (const { branch } of await byWal(writers)) {
      if (!(await isShort())) return
      gaveWay.set(branch.uid, clock.now())
      log.warn({ branch: branch.uid }, 'history gives way: the disk with the WAL runs short')
      let left = (await basesOf(catalog.bases, branch)).length
      if (left > 0) left += (await isReplaced(branch)) ? 1 : 0
      for (; left > 0 && (await isShort()); left -= 1) {
        await collectHistory(services, branch.uid, longestOf, 1)
        if (left === 2) break // the new one stays
      }
    }
  }

  /** `false`: there is no room for another base either. */
  const isReplaced = async (branch: Pick<Branch, 'uid'>): Promise<boolean> => {
    if (!storage.can.instantClone) return false
    try {
      return (await takeBase(services, branch, true)) !== undefined
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return false
    }
  }

  const isShort = async (): Promise<boolean> => {
    const { freeBytes, totalBytes } = await storage.walRoom()
    return freeBytes < Math.min(shortBelow, totalBytes * shortShare)
  }

  const byWal = async (writers: readonly ReadyWriter[]) => {
    const sized = await Promise.all(
      writers.map(async ({ branch }) => {
        const extent = await storage.walExtent(volumeOf(branch))
        return { branch, bytes: extent === undefined ? 0n : extent.newest - extent.oldest }
      }),
    )
    return sized.sort((one, other) => (one.bytes > other.bytes ? -1 : 1))
  }

  const awakeFirst = (one: ReadyWriter, other: ReadyWriter): number =>
    Number(isAwake(other)) - Number(isAwake(one))

  const isDue = ({ branch }: ReadyWriter): boolean => {
    const { uid, volumeUid: volume, stateChangeTime } = branch
    const known = lookedAt(branch)
    const first = after(stateChangeTime, firstAfter)
    if (known !== undefined || first <= clock.now()) {
      return known === undefined || !isAhead(known.at, asleepEvery)
    }
    looked.set(uid, { volume, at: first, end: 0n, counted: undefined })
    return false
  }

  const run = async (): Promise<EpochMs | undefined> => {
    // Every operation that ends pokes us, and a look at all branches costs more than most of them.
    if (isAhead(notBefore, firstAfter)) return notBefore
    notBefore = after(clock.now(), firstAfter)
    if (!isSettled) await settle()
    const writers = await catalog.endpoints.readyWriters()
    if (await isShort()) await giveWay(writers)
    const present = new Set(writers.map(({ branch }) => branch.uid))
    for (const uid of looked.keys()) if (!present.has(uid)) looked.delete(uid)
    const until = clock.monotonic() + longestRun
    for (const writer of writers.filter(isDue).sort(awakeFirst)) {
      if (stopping.aborted) return undefined
      const began = clock.monotonic()
      await look(writer)
      const now = clock.monotonic()
      if (now > until) return notBefore // somebody may have come awake
      // Nobody writes to one that is asleep, so this has time; those who wait for an answer have not.
      const rest = isAwake(writer) ? 0 : (now - began) * restPerLook
      await clock.sleep(millis(rest), stopping).catch(() => undefined)
    }
    const times = [...looked.values()].map(({ at }) => at)
    return times.length === 0 ? undefined : epochMs(Math.min(...times))
  }

  return {
    run: () => inFailpointScope('history', run),
    async describe() {
      const { count: bases, bytes } = await catalog.bases.totals()
      const { freeBytes } = await storage.walRoom()
      return {
        bases,
        bases_bytes: bytes,
        wal_free_bytes: freeBytes,
        gave_way: [...gaveWay].map(([branch, at]) => ({
          branch,
          time: new Date(at).toISOString(),
        })),
      }
    },
  }
}

const longestOf = millis(Number.MAX_SAFE_INTEGER / 1000)
/** What Postgres, crash recovery and the catalog need to go on, on a large disk and on a small one. */
const shortBelow = 2 * 1024 ** 3
const shortShare = 0.05
