/**
 * Keeps the history of branches: takes their bases (the first right after a branch is READY, then by volume
 * of WAL and age), lets go of what is too old, counts what it costs, and makes history give way when
 * the disk that WAL is on runs short. One branch after the other, so that it stands in nobody's way.
 */
import { collectHistory } from '../actions/collect-history.ts'
import { basesOf, baseVolume } from '../actions/history-volumes.ts'
import type { Services } from '../actions/services.ts'
import { eraseBase, takeBase } from '../actions/take-base.ts'
import { volumeOf } from '../actions/volume-of.ts'
import { isBaseDue, type ReadyBase } from '../domain/base.ts'
import { type Branch, isLive } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
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
import type { EndpointContext } from '../ports/catalog.ts'

const awakeEvery = seconds(10)
const asleepEvery = minutes(10)
/** What a history takes, of a branch that was written to since, and of others: what they share may change owners. */
const countedEvery = minutes(10)
const countedAtRestEvery = days(1)
/** To ask a file system costs a second for a base that a thousand others share: so much rest for each count. */
const restPerCount = 20
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

  const lookedAt = ({ uid, volumeUid }: Branch): Looked | undefined => {
    const known = looked.get(uid)
    return known?.volume === volumeUid ? known : undefined
  }

  const look = async (context: EndpointContext): Promise<void> => {
    const { branch, project, endpoint } = context
    const isAwake = computes.state(endpoint.uid).kind === 'ready'
    const known = lookedAt(branch)
    const next: Looked = {
      volume: branch.volumeUid,
      at: after(clock.now(), isAwake ? awakeEvery : asleepEvery),
      end: 0n,
      counted: known?.counted,
    }
    looked.set(branch.uid, next)
    try {
      next.end = (await storage.walExtent(volumeOf(branch)))?.newest ?? 0n
      await takeIfDue(branch, next.end, !isAwake || known?.end === next.end)
      const retention = millis(Math.min(project.historyRetention, longest ?? Infinity))
      const kept = await collectHistory(services, branch.uid, retention)
      await show(branch, kept, next)
    } catch (error) {
      next.at = after(clock.now(), afterFailure)
      log.warn({ err: error, branch: branch.uid }, 'cannot keep the history of a branch')
    }
  }

  const takeIfDue = async (branch: Branch, end: bigint, isAtRest: boolean): Promise<void> => {
    const newest = (await basesOf(catalog.bases, branch)).at(-1)
    const now = toMicros(clock.now())
    const copied = storage.can.instantClone ? 0 : branch.logicalSizeBytes
    if (!isBaseDue(newest, { end, now, isAtRest, copied })) return
    const began = clock.monotonic()
    const base = await takeBase(services, branch)
    const ms = Math.round(clock.monotonic() - began)
    if (base !== undefined) log.info({ branch: branch.uid, base: base.uid, ms }, 'base taken')
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
  const giveWay = async (contexts: readonly EndpointContext[]): Promise<void> => {
    for (const { branch } of await byWal(contexts)) {
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
  const isReplaced = async (branch: Branch): Promise<boolean> => {
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

  const byWal = async (contexts: readonly EndpointContext[]) => {
    const sized = await Promise.all(
      contexts.map(async ({ branch }) => {
        const extent = await storage.walExtent(volumeOf(branch))
        return { branch, bytes: extent === undefined ? 0n : extent.newest - extent.oldest }
      }),
    )
    return sized.sort((one, other) => (one.bytes > other.bytes ? -1 : 1))
  }

  const run = async (): Promise<EpochMs | undefined> => {
    // Every operation that ends pokes us, and a look at all branches costs more than most of them.
    if (isAhead(notBefore, firstAfter)) return notBefore
    notBefore = after(clock.now(), firstAfter)
    if (!isSettled) await settle()
    const contexts = (await catalog.endpoints.everyContext()).filter(
      (context) =>
        isLive(context) && context.branch.state === 'READY' && !isReader(context.endpoint),
    )
    if (await isShort()) await giveWay(contexts)
    const present = new Set(contexts.map(({ branch }) => branch.uid))
    for (const uid of looked.keys()) if (!present.has(uid)) looked.delete(uid)
    for (const context of contexts) {
      if (stopping.aborted) return undefined
      const { uid, volumeUid: volume, stateChangeTime } = context.branch
      const now = clock.now()
      const known = lookedAt(context.branch)
      if (known === undefined && after(stateChangeTime, firstAfter) > now) {
        const at = after(stateChangeTime, firstAfter)
        looked.set(uid, { volume, at, end: 0n, counted: undefined })
      } else if (known === undefined || !isAhead(known.at, asleepEvery)) await look(context)
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
