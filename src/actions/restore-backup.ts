/**
 * Restore a backup: a new root branch whose volume is made of chunks in place of a clone, and which recovers
 * to the point that was asked for. Its project is made with it where it is not there.
 */

import type { BackupPoint, Restorable } from '../domain/backup-chain.ts'
import { restorable, sayWindows } from '../domain/backup-chain.ts'
import type { KnownManifest } from '../domain/backup-manifest.ts'
import type { Branch } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import { formatLsn, parseLsn } from '../domain/lsn.ts'
import {
  type BranchPath,
  type BranchUid,
  type EndpointUid,
  type ProjectUid,
  parseBranchId,
  parseProjectId,
} from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import { epochMs, rfc3339 } from '../lib/time.ts'
import type { Kind, StepContext } from '../operations/kind.ts'
import type { BackupArchive } from '../ports/backups.ts'
import type { CatalogSession, JsonObject } from '../ports/catalog.ts'
import type { DraftId } from '../ports/storage.ts'
import { mustBeAllowed } from './access.ts'
import type { Caller, RestoreBackup } from './actions.ts'
import { mayWakeOneMore } from './active-limit.ts'
import { countingProgress, placeIn, withArchive } from './backup-work.ts'
import { computeSpec } from './compute-spec.ts'
import { branchSteps, newBranch, reserveBranch } from './create-branch.ts'
import type { Prepared } from './fleet.ts'
import { importPrincipals } from './import-principals.ts'
import { mayAddBranch, mayAddProject, mayAddRoot } from './limits.ts'
import { notFound } from './read-backups.ts'
import { recoverTo } from './recover-to.ts'
import { addReaders, fitted, restoredProject } from './restored-rows.ts'
import type { Services } from './services.ts'
import { viewBranch } from './views.ts'
import { volumeOf } from './volume-of.ts'

export async function restoreBackup(
  services: Services,
  caller: Caller,
  { from, point, into }: RestoreBackup,
): Promise<OperationResource> {
  const { catalog, clock, computes, policy, storage } = services
  mustBeAllowed(caller, 'restoreBackup')
  const found = await withArchive(services, from, (archive) => find(archive, point))
  const manifest = found.upTo
  const path = into ?? wasAt(manifest)
  const available = computes.toolchains().map(({ major }) => major)
  if (!available.includes(manifest.postgres)) {
    throw new Fault('TOOLCHAIN_MISSING', {
      major: manifest.postgres,
      available: available.join(', '),
    })
  }
  await storage.checkRoom()
  return catalog.transaction(async (session) => {
    const now = clock.now()
    const known = await session.projects.byId(path.project)
    const project = known ?? restoredProject(services, caller, path.project, manifest, now)
    const branch: Branch = {
      ...newBranch(project, caller, path.branch, now),
      isRestored: true,
      isProtected: known === undefined && manifest.catalog.branch.isProtected,
    }
    if (known === undefined) {
      await mayAddProject(session, policy)
      await session.projects.insert({ ...project, defaultBranchUid: branch.uid })
      await session.permissions.set(project.uid, caller.identity.uid, 'CAN_MANAGE')
      await importPrincipals(session, project, manifest.catalog, now)
    } else await mayJoin(services, session, known, path, manifest)
    const writer = manifest.catalog.endpoints.find((endpoint) => !isReader(endpoint))
    const { work } = await reserveBranch(session, {
      project,
      branch,
      kind: 'restore-backup',
      caller,
      now,
      resource: 'backups', // polled there: its answer is a branch, but it works on a backup
      subject: 'Backup',
      sizing: fitted(writer ?? manifest.catalog.project.endpointDefaults, policy),
    })
    const withBackup = {
      ...work,
      keys: [...work.keys, ...(known === undefined ? [project.uid] : [])],
      input: {
        ...work.input,
        place: from.place,
        endpoint_url: from.endpointUrl ?? null,
        sequence: manifest.sequence,
        hash: manifest.hash,
        point: writePoint(point),
        ...(known === undefined ? { project: project.uid } : {}),
      },
    }
    await session.work.insert(withBackup)
    return renderOperation({ ...withBackup, outcome: { kind: 'pending' } })
  })
}

/** What brings the point back, or the refusal that says what can be had. */
async function find(archive: BackupArchive, point: BackupPoint | undefined): Promise<Restorable> {
  if ((await archive.owner()) === undefined) throw notFound(archive)
  const manifests = await archive.manifests()
  if (manifests.length === 0) throw notFound(archive)
  const found = restorable(manifests, point)
  if (found !== undefined) return found
  throw new Fault('BACKUP_POINT_OUTSIDE', {
    point: point === undefined ? 'any point' : sayPoint(point),
    windows: sayWindows(manifests),
  })
}

const sayPoint = (point: BackupPoint): string =>
  point.kind === 'time' ? rfc3339(point.time) : formatLsn(point.lsn)

const wasAt = ({ source }: KnownManifest): BranchPath => ({
  project: parseProjectId(source.projectId),
  branch: parseBranchId(source.branchId),
})

/** Into a project that is there. */
async function mayJoin(
  services: Services,
  session: CatalogSession,
  { uid, projectId, deleteTime }: Project,
  { branch }: BranchPath,
  { postgres }: KnownManifest,
): Promise<void> {
  const project = await session.projects.lock(uid)
  // A deleted one keeps its id until it is purged.
  if (project === undefined || deleteTime !== undefined) throw new Fault('PROJECT_EXISTS')
  if ((await session.branches.byId(uid, branch)) !== undefined) throw new Fault('BRANCH_EXISTS')
  if (project.pgVersion !== postgres) {
    const other = project.pgVersion
    throw new Fault('BACKUP_MAJOR_DIFFERS', { major: postgres, other, project: projectId })
  }
  await mayAddBranch(session, project, services.policy)
  await mayAddRoot(session, project, services.policy)
  await mayWakeOneMore(services, session, project)
}

const writePoint = (point: BackupPoint | undefined): JsonObject | null => {
  if (point === undefined) return null
  return point.kind === 'time' ? { time: point.time } : { lsn: formatLsn(point.lsn) }
}

function readPoint({ point }: JsonObject): BackupPoint | undefined {
  if (typeof point !== 'object' || point === null) return undefined
  if ('time' in point) return { kind: 'time', time: epochMs(Number(point.time)) }
  const lsn = 'lsn' in point ? parseLsn(String(point.lsn)) : undefined
  return lsn && { kind: 'lsn', lsn }
}

export const restoreBackupKind = (services: Services, prepared: Prepared): Kind => ({
  name: 'restore-backup',
  onFailure: 'undo',
  steps: [
    {
      name: 'reserve', // done when accepted; here for its undo, which must come last
      async undo({ row }) {
        const { catalog } = services
        await catalog.branches.remove(row.input.branch as BranchUid)
        if (row.input.project === undefined) return
        await catalog.projects.remove(row.input.project as ProjectUid)
      },
    },
    {
      name: 'fetch',
      async run(context, signal) {
        const { branch } = await rowsOf(services, context)
        const { storage } = services
        const volume = volumeOf(branch)
        const draft = context.row.uid as string as DraftId
        if (await storage.hasVolume(volume)) await storage.deleteVolume(volume) // a crash cut it short
        const { effort } = countingProgress(context, 'fetching', signal)
        await withArchive(services, placeIn(context.row.input), async (archive) => {
          const { data, wal, upTo, consistent, point } = await accepted(archive, context)
          await archive.fetchData(data, await storage.createDraft(draft), effort)
          await storage.linkWal(draft, volume)
          const directory = storage.walDirectory(volume)
          await archive.fetchWal(wal, directory, upTo.walSegmentBytes, effort)
          await storage.prepareReplay(draft, point && consistent)
          await storage.publish(draft, volume)
          context.memory = { ...context.memory, point: writePoint(point) }
        })
      },
      async undo({ row }) {
        const branch = await services.catalog.branches.byUid(row.input.branch as BranchUid)
        await services.storage.deleteDraft(row.uid as string as DraftId)
        if (branch !== undefined) await services.storage.deleteVolume(volumeOf(branch))
      },
    },
    {
      name: 'recover',
      async run(context) {
        const { project, branch, endpoint } = await rowsOf(services, context)
        await services.volumes.run(branch.uid, () =>
          recoverTo(
            services.computes,
            computeSpec(services, project, branch, endpoint),
            readPoint(context.memory),
          ),
        )
      },
      async undo({ row }) {
        await services.computes.forget(row.input.endpoint as EndpointUid)
      },
    },
    ...branchSteps(services, prepared).filter(({ name }) => name !== 'clone'),
    {
      name: 'readers',
      async run(context) {
        const { branch } = await rowsOf(services, context)
        const endpoints = await withArchive(
          services,
          placeIn(context.row.input),
          async (archive) => {
            const { upTo } = await accepted(archive, context)
            return upTo.catalog.endpoints
          },
        )
        await addReaders(services, branch, endpoints)
      },
    },
  ],
  async finish(context) {
    const { project, branch } = await rowsOf(services, context)
    return viewBranch(project, branch)
  },
})

/** What was accepted, whatever has been written there since. */
async function accepted(archive: BackupArchive, { row }: StepContext): Promise<Restorable> {
  const { sequence, hash } = row.input
  const manifests = (await archive.manifests()).slice(0, Number(sequence))
  const found = restorable(manifests, readPoint(row.input))
  if (found !== undefined && found.upTo.hash === hash) return found
  const problem = 'is another one than it was'
  throw new Fault('BACKUP_DAMAGED', { object: `manifest ${Number(sequence)}`, problem })
}

async function rowsOf({ catalog }: Services, { row }: StepContext) {
  const found = await catalog.endpoints.context(row.input.endpoint as EndpointUid)
  if (found === undefined) throw new Error('the rows of a branch in the making are gone')
  return found
}
