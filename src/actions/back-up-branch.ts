/**
 * Back up a branch: a full copy of a clone that nobody uses, or the WAL since the last backup. All of it is
 * one step, whose last line writes the manifest; one that runs again finds the chunks that are there, or
 * its own manifest.
 */
import { type FullReason, renderBackup, whyFull } from '../domain/backup.ts'
import type {
  BackupSource,
  KnownManifest,
  Manifest,
  StoredFile,
} from '../domain/backup-manifest.ts'
import type { Branch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import { formatLsn, type Lsn, lsn, parseLsn } from '../domain/lsn.ts'
import { type BranchPath, type BranchUid, branchName, printable } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import { isSegmentFile, timelineOf } from '../domain/wal.ts'
import { failpoint } from '../lib/failpoint.ts'
import { epochMs } from '../lib/time.ts'
import type { Kind, StepContext } from '../operations/kind.ts'
import type { BackupArchive, BackupPlace, Effort } from '../ports/backups.ts'
import type { JsonObject, NewWork } from '../ports/catalog.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import { findBranch, may, mustBeAllowed } from './access.ts'
import type { Caller } from './actions.ts'
import { countingProgress, placeIn, withArchive } from './backup-work.ts'
import { branchSource } from './branch-origin.ts'
import { exportCatalog } from './export-catalog.ts'
import { newOperationUid } from './new-uid.ts'
import { cloneSource, type Source } from './place-volume.ts'
import type { Services } from './services.ts'

export async function backUpBranch(
  services: Services,
  caller: Caller,
  path: BranchPath,
  { to, isFull }: { readonly to: BackupPlace; readonly isFull: boolean },
): Promise<OperationResource> {
  const { catalog, clock, storage } = services
  const { project, branch } = await findBranch(catalog, path, may(caller, 'getBranch'))
  mustBeAllowed(caller, 'backUpBranch')
  if (branch.state !== 'READY') {
    throw new Fault('SOURCE_NOT_READY', { branch: branch.branchId, state: branch.state })
  }
  await storage.check()
  // Known now, so said now.
  await withArchive(services, to, async (archive) => {
    mustBeOf(await archive.owner(), sourceOf(project, branch), archive.place)
  })
  const work: NewWork = {
    uid: newOperationUid(),
    kind: 'create-backup',
    resource: `${branchName(project.projectId, branch.branchId)}/backups`,
    subject: 'Backup',
    projectUid: project.uid,
    callerUid: caller.identity.uid,
    // Not the branch's own: whatever happens to the branch does not wait for a long copy.
    keys: [`backup ${branch.uid}`],
    input: {
      branch: branch.uid,
      place: to.place,
      endpoint_url: to.endpointUrl ?? null,
      full: isFull,
    },
    createTime: clock.now(),
  }
  return catalog.transaction(async (session) => {
    await session.work.insert(work)
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

const sourceOf = (project: Project, branch: Branch): BackupSource => ({
  projectUid: project.uid,
  projectId: project.projectId,
  branchUid: branch.uid,
  branchId: branch.branchId,
})

function mustBeOf(owner: BackupSource | undefined, source: BackupSource, place: string): void {
  if (owner === undefined || owner.branchUid === source.branchUid) return
  throw new Fault('BACKUP_OTHER_BRANCH', {
    place: printable(place),
    branch: printable(`projects/${owner.projectId}/branches/${owner.branchId}`),
  })
}

/** What one copy works with. */
interface Copying {
  readonly archive: BackupArchive
  readonly project: Project
  readonly branch: Branch
  readonly source: Source
  readonly last: KnownManifest | undefined
  readonly operation: string
  readonly effort: Effort
}

/** What both kinds of copy know of themselves. */
type Copied = Partial<Pick<Manifest, 'volume'>> &
  Pick<
    Manifest,
    'data' | 'wal' | 'time' | 'until' | 'reached' | 'systemId' | 'timeline' | 'walSegmentBytes'
  >

export const backUpBranchKind = (services: Services): Kind => ({
  name: 'create-backup',
  onFailure: 'undo',
  steps: [
    {
      name: 'copy',
      async run(context, signal) {
        const { row } = context
        const { project, branch } = await rowsOf(services, context)
        await withArchive(services, placeIn(row.input), async (archive) => {
          const own = sourceOf(project, branch)
          mustBeOf(await archive.owner(), own, archive.place)
          const manifests = await archive.manifests()
          const written = manifests.find(({ operation }) => operation === row.uid)
          if (written === undefined) {
            await archive.begin(own, row.uid)
            const { effort, counted } = countingProgress(context, 'copying', signal)
            const source = await branchSource(services, branch.uid)
            const last = manifests.at(-1)
            const operation = row.uid
            const copying = { archive, project, branch, source, last, operation, effort }
            const { made, why } = await copy(services, copying, row.input.full === true)
            context.memory = {
              ...(await rememberedOf(made)),
              ...(why === undefined ? {} : { why }),
              new_bytes: counted().newBytes,
            }
          } else context.memory = { ...context.memory, ...(await rememberedOf(written)) }
          await archive.end(row.uid)
        })
      },
      async undo({ row }) {
        await services.storage.deleteDraft(row.uid as string as DraftId)
        await withdraw(services, row)
      },
    },
    {
      name: 'record',
      async run(context) {
        const { memory, row } = context
        const reached = parseLsn(String(memory.reached))
        if (reached === undefined) throw new Error('no step wrote down what was copied')
        await services.catalog.transaction(async (session) => {
          // Deleted while it was copied: there is nothing to remember it for.
          const branch = await session.branches.byUid(row.input.branch as BranchUid)
          if (branch === undefined) return
          await session.backups.set(branch.uid, String(row.input.place), {
            sequence: Number(memory.sequence),
            hash: String(memory.hash),
            volume: String(memory.volume) as VolumeId,
            reached,
            time: epochMs(Number(memory.time)),
          })
        })
      },
    },
  ],
  async finish({ memory, row }) {
    return {
      ...(memory.backup as JsonObject),
      ...(memory.why === undefined ? {} : { full_because: memory.why }),
      ...(memory.new_bytes === undefined ? {} : { new_bytes: memory.new_bytes }),
      place: String(row.input.place),
    }
  },
})

/** A backup that was not recorded is none. Its chunks stay for the next one, or go with it. */
async function withdraw(
  services: Services,
  { uid, input }: Pick<StepContext['row'], 'uid' | 'input'>,
): Promise<void> {
  try {
    await withArchive(services, placeIn(input), (archive) => archive.withdraw(uid))
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    // It is away, full or damaged: if the manifest was written, the backup is complete, and may stay.
    services.log.warn({ err: error, operation: uid }, 'cannot withdraw a backup')
  }
}

async function rememberedOf(manifest: KnownManifest): Promise<JsonObject> {
  return {
    sequence: manifest.sequence,
    hash: manifest.hash,
    volume: manifest.volume,
    reached: formatLsn(manifest.reached),
    time: manifest.time,
    backup: renderBackup(manifest),
  }
}

async function rowsOf({ catalog }: Services, { row }: StepContext) {
  const project = await catalog.projects.byUid(row.projectUid)
  const branch = await catalog.branches.byUid(row.input.branch as BranchUid)
  if (project === undefined || branch === undefined || branch.deleteTime !== undefined) {
    throw new Fault('BRANCH_NOT_FOUND')
  }
  return { project, branch }
}

async function copy(
  services: Services,
  copying: Copying,
  isAsked: boolean,
): Promise<{ readonly made: KnownManifest; readonly why: FullReason | undefined }> {
  const { archive, branch, source, last } = copying
  const { catalog, storage } = services
  const volume = await source.volume()
  const cluster = await archive.cluster(storage.dataDirectory(volume))
  let why = whyFull(last, { ...cluster, volume, isAsked })
  let copied = why === undefined ? await copyWal(services, copying, volume) : undefined
  if (copied === undefined) {
    why ??= 'WAL_GONE'
    copied = await copyAll(services, copying)
  }
  const made = await archive.commit({
    volume,
    ...copied,
    sequence: (last?.sequence ?? 0) + 1,
    previous: last?.hash,
    operation: copying.operation,
    source: sourceOf(copying.project, branch),
    postgres: copying.project.pgVersion,
    catalog: await exportCatalog(catalog, copying.project, branch),
  })
  return { made, why }
}

/** `undefined`: WAL since the last backup is gone. */
async function copyWal(
  { computes, storage, volumes, clock }: Services,
  { archive, source, last, effort }: Copying,
  volume: VolumeId,
): Promise<Copied | undefined> {
  if (last === undefined) return undefined
  const { reached: from, timeline: least, systemId } = last
  const { time, through } = await volumes.run(source.lock, async () => {
    if ((await computes.look(source.compute)).kind === 'ready') {
      const { time, end } = await computes.markLog(source.compute)
      return { time, through: lsn(end) }
    }
    const start = await storage.recoveryStart(volume)
    const { position } = await storage.lastCheckpoint(volume)
    return { time: clock.now(), through: await endOfLog(storage, volume, start, position) }
  })
  await failpoint('create-backup.flushed')
  const directory = storage.walDirectory(volume)
  const stored = await archive.storeWal(directory, { from, through, timeline: least }, effort)
  if (stored === undefined) return undefined
  return {
    data: undefined,
    wal: stored.files,
    time,
    until: clock.now(),
    reached: through,
    systemId,
    timeline: newestTimeline(stored.files, least),
    walSegmentBytes: stored.segmentBytes,
  }
}

/** A branch that was just made writes on a timeline of its own, and its control file tells of it later. */
const newestTimeline = (files: readonly StoredFile[], least: number): number =>
  Math.max(least, ...files.flatMap(({ path }) => (isSegmentFile(path) ? timelineOf(path) : [])))

/** Where the last whole record ends. Nobody writes to it. */
const endOfLog = async (
  storage: Services['storage'],
  volume: VolumeId,
  start: bigint,
  through: bigint,
): Promise<Lsn> =>
  lsn((await storage.findPoint(volume, { point: undefined, start, from: start, through })).lsn)

async function copyAll(
  services: Services,
  { archive, project, source, operation, effort }: Copying,
): Promise<Copied> {
  const { storage, clock } = services
  const draft = operation as DraftId
  const target = `${project.uid}/${operation}` as VolumeId
  try {
    let volume = target
    const seen: Source = {
      ...source,
      async volume() {
        volume = await source.volume() // under the lock: a reset may have come in between
        return volume
      },
    }
    const { time } = await cloneSource(services, seen, target, draft)
    const until = clock.now()
    await failpoint('create-backup.cloned')
    const directory = storage.draftDirectory(draft)
    const { redo, systemId, timeline } = await archive.cluster(directory)
    const range = { from: redo, through: undefined, timeline }
    const wal = await archive.storeWal(storage.walDirectory(target), range, effort)
    if (wal === undefined) throw new Error('the clone of a branch has no WAL of its own')
    return {
      volume,
      data: await archive.storeData(directory, effort),
      wal: wal.files,
      time,
      until,
      reached: await endOfLog(storage, target, redo, redo),
      systemId,
      timeline: newestTimeline(wal.files, timeline),
      walSegmentBytes: wal.segmentBytes,
    }
  } finally {
    await storage.deleteDraft(draft)
  }
}
