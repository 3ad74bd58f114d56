/**
 * The moment of a reset or restore: sessions end, the compute stops, the rows of the branch and of the snapshot of
 * its previous state exchange their volumes in one transaction, and it starts on the new one.
 */
import { isReader } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import { lsn } from '../domain/lsn.ts'
import { keptFor } from '../domain/snapshot.ts'
import { failpoint } from '../lib/failpoint.ts'
import { after, epochMs, toMicros } from '../lib/time.ts'
import type { StepContext } from '../operations/kind.ts'
import type { JsonObject } from '../ports/catalog.ts'
import { readBeginning } from './beginning.ts'
import { computeSpec } from './compute-spec.ts'
import { stopOf } from './fleet.ts'
import { removeReader } from './readers.ts'
import { isExchanged, keptUid, type Rows, rowsOf } from './replacing.ts'
import type { Services } from './services.ts'
/** Under the locks of all that runs on the branch's data: nobody starts, clones or is granted any of it. */
export async function exchange(services: Services, context: StepContext): Promise<void> {
  const { catalog, computes, door, volumes } = services
  const { branch, endpoint: writer, project } = await rowsOf(services, context)
  const readers = (await catalog.endpoints.ofBranch(branch.uid)).filter(isReader)
  // Who makes a reader holds its lock and waits for the branch's, so theirs are taken first.
  const locks = [...readers.map(({ uid }) => uid), branch.uid, stopOf(writer)]
  await holding(volumes, locks, async () => {
    const before = await rowsOf(services, context)
    // A crash cut off the rest, perhaps a session has written since: the next connection starts it.
    if (isExchanged(before.branch, keptUid(context))) return
    if (before.branch.isProtected) throw new Fault('BRANCH_KEEPS_DATA', { act: actOf(context) })
    const wasAwake = ['starting', 'ready'].includes(computes.state(writer.uid).kind)
    for (const reader of readers) {
      await door.endSessions(reader.uid)
      await removeReader(services, project, reader)
    }
    await door.endSessions(writer.uid)
    await failpoint('replace-volume.exchange:ended')
    await computes.stop(writer.uid, 'fast')
    await failpoint('replace-volume.exchange:stopped')
    await exchangeRows(services, context, before)
    await failpoint('replace-volume.exchange:exchanged')
    if (wasAwake) await startOnNew(services, context, before)
  })
}

/** Takes all locks, in this order. */
const holding = <T>(
  volumes: Services['volumes'],
  [lock, ...rest]: readonly string[],
  work: () => Promise<T>,
): Promise<T> =>
  lock === undefined ? work() : volumes.run(lock, () => holding(volumes, rest, work))

async function exchangeRows(
  { catalog, clock }: Pick<Services, 'catalog' | 'clock'>,
  { row, memory }: StepContext,
  { branch, kept, project }: Rows,
): Promise<void> {
  const isReset = (row.input.from as JsonObject).kind === 'source'
  await catalog.transaction(async (session) => {
    await session.projects.lock(project.uid)
    const now = clock.now()
    await session.branches.update(branch.uid, {
      volumeUid: kept.volumeUid,
      // The same moment as the snapshot's: what is older is of another volume.
      begin: { ...readBeginning(memory.begin), time: now },
      logicalSizeBytes: Number(memory.logicalSize),
      pendingState: undefined,
      stateChangeTime: now,
      // History belongs to the volume, and begins anew.
      windowStart: undefined,
      historyBytes: 0,
      ...(isReset
        ? {
            sourceLsn: lsn(BigInt(String(memory.reached))),
            sourceTime: toMicros(epochMs(Number(memory.time))),
            sourcePoint: undefined,
          }
        : {}),
    })
    const { state } = (await session.snapshots.byUid(kept.uid)) ?? kept
    await session.snapshots.update(kept.uid, {
      volumeUid: branch.volumeUid,
      // Deleted already: that delete waits for us and must find its state as it left it.
      ...(state === 'CREATING' ? { state: 'AVAILABLE' as const } : {}),
      sourceTime: now,
      expireTime: after(now, keptFor),
    })
    await session.snapshots.recordBytes(kept.uid, { diffSizeBytes: undefined, measureTime: now })
    // Passwords are proven by these while it sleeps.
    await session.endpoints.saveVerifiers(branch.uid, memory.verifiers as Record<string, string>)
  })
}

/** It ran, so it runs again. Where it cannot, nobody has seen the new data: the old is in use again. */
async function startOnNew(services: Services, context: StepContext, before: Rows): Promise<void> {
  const { catalog, computes, stopping, log } = services
  const { branch, kept, endpoint: writer, project } = before
  if (writer.isDisabled || stopping.aborted) return
  try {
    const holder = {
      projectUid: project.uid,
      volumeUid: kept.volumeUid,
      durability: branch.durability,
    }
    await computes.ensureReady(computeSpec(services, project, holder, writer))
  } catch (error) {
    await computes.stop(writer.uid, 'immediate')
    await catalog.transaction(async (session) => {
      await session.projects.lock(project.uid)
      const { volumeUid, begin, logicalSizeBytes, pendingState, windowStart } = branch
      const { sourceLsn, sourceTime, sourcePoint, historyBytes } = branch
      await session.branches.update(branch.uid, {
        ...{ volumeUid, begin, logicalSizeBytes, windowStart, historyBytes },
        ...{ sourceLsn, sourceTime, sourcePoint },
        // Deleted meanwhile: that delete waits for us and must find its state as it left it.
        ...((await session.branches.byUid(branch.uid))?.deleteTime === undefined
          ? { pendingState }
          : {}),
      })
      await session.snapshots.update(kept.uid, { volumeUid: kept.volumeUid, state: kept.state })
    })
    await computes
      .ensureReady(computeSpec(services, project, branch, writer))
      .catch((failure: unknown) =>
        log.warn({ err: failure, operation: context.row.uid }, 'the next connection will start it'),
      )
    throw error
  }
}

const actOf = ({ row }: StepContext) => row.kind.split('-')[0] ?? row.kind
