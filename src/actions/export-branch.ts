/**
 * Export: the branch as it is now as a cluster that plain Postgres starts from. A clone of it, which has
 * recovered and was shut down, is read; then it is thrown away. It has no row: what a server that died
 * left of it is swept at the next start.
 */
import { randomBytes } from 'node:crypto'
import { Fault } from '../domain/faults.ts'
import { type BranchPath, branchName, type EndpointUid } from '../domain/names.ts'
import type { PostgresMajor } from '../domain/project.ts'
import { failpoint } from '../lib/failpoint.ts'
import { minutes, timer } from '../lib/time.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import { findBranch, may } from './access.ts'
import type { Caller } from './actions.ts'
import { branchSource } from './branch-origin.ts'
import { mayCopy } from './limits.ts'
import { mustReach } from './place-at.ts'
import { placeVolume } from './place-volume.ts'
import { discardScratch, type Scratch } from './scratch.ts'
import type { Services } from './services.ts'

export interface ExportedBranch {
  /** `app-dev.tar`. */
  readonly fileName: string
  /** Read once; leaving it early ends the export. */
  readonly chunks: AsyncIterable<Uint8Array>
}

/** Whoever does not begin to read so long is not there any more. */
const beginPatience = minutes(1)

export async function exportBranch(
  services: Services,
  caller: Caller,
  path: BranchPath,
): Promise<ExportedBranch> {
  const { catalog, storage, computes, transfers } = services
  const { project, branch } = await findBranch(catalog, path, may(caller, 'exportBranch'))
  if (branch.state !== 'READY') {
    throw new Fault('SOURCE_NOT_READY', { branch: branch.branchId, state: branch.state })
  }
  mayCopy(branch, services.policy)
  await storage.check()
  const clone = cloneOf(services, project.pgVersion, randomBytes(6).toString('hex'))
  try {
    const source = await branchSource(services, branch.uid)
    const { end: goal } = await placeVolume(services, source, clone.volume, clone.draft)
    await failpoint('export.placed')
    await computes.ensureReady(clone.spec) // recovers to the end of its WAL
    await failpoint('export.recovered')
    const reached = await computes.recoveredTo(clone.spec.uid)
    if (goal !== undefined) await mustReach(services, branch, { goal, reached })
    await computes.stop(clone.spec.uid, 'fast')
  } catch (error) {
    await discardScratch(services, clone)
    throw error
  }
  services.log.info({ branch: branchName(path.project, path.branch) }, 'exports a branch')
  return {
    fileName: `${path.project}-${path.branch}.tar`,
    chunks: readOnce(
      transfers.tar({
        major: project.pgVersion,
        dataDirectory: storage.dataDirectory(clone.volume),
        walDirectory: storage.walDirectory(clone.volume),
      }),
      () => discardScratch(services, clone),
    ),
  }
}

const group = 'exports/'

/** The volume of an export, which no row knows. */
export const isExport = (id: VolumeId): boolean => id.startsWith(group)

const cloneOf = (
  { storage }: Pick<Services, 'storage'>,
  major: PostgresMajor,
  mark: string,
): Scratch => {
  const volume = `${group}${major}-${mark}` as VolumeId
  return {
    volume,
    draft: `export-${mark}` as DraftId,
    spec: {
      uid: `export-${mark}` as EndpointUid,
      major,
      dataDirectory: storage.dataDirectory(volume),
      settings: {},
    },
  }
}

/** What exports of a server that was killed left behind. Called once at start. */
export async function sweepExports(services: Services): Promise<void> {
  const { storage, log } = services
  for (const id of (await storage.listVolumes()).filter(isExport)) {
    const [, major, mark = ''] = /^exports\/(\d+)-(.*)$/.exec(id) ?? []
    const clone = cloneOf(services, Number(major) as PostgresMajor, mark)
    await discardScratch(services, clone)
    log.info({ volume: id }, 'swept what an export had left')
  }
}

/** `end` is called once: at the end, at an error, when the reader leaves, and when nobody comes. */
function readOnce(
  inner: AsyncIterable<Uint8Array>,
  end: () => Promise<void>,
): AsyncIterable<Uint8Array> {
  const iterator = inner[Symbol.asyncIterator]()
  let ended: Promise<void> | undefined
  const finish = async (): Promise<void> => {
    nobody.cancel()
    ended ??= Promise.resolve(iterator.return?.()).then(end)
    await ended
  }
  const nobody = timer(beginPatience, () => void finish())
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        nobody.cancel()
        try {
          const result = await iterator.next()
          if (result.done === true) await finish()
          return result
        } catch (error) {
          await finish()
          throw error
        }
      },
      async return() {
        await finish()
        return { done: true, value: undefined }
      },
    }),
  }
}
