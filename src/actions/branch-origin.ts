/**
 * Where a branch's data comes from: another branch of the project, as it is now, or one of its snapshots;
 * a project's first branch comes from the template of its Postgres major. First what a request names, then
 * the volume that it is cloned from.
 */
import type { Branch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import {
  type EndpointUid,
  type ProjectId,
  parseBranchId,
  parseBranchName,
  parseSnapshotId,
  parseSnapshotName,
} from '../domain/names.ts'
import { isSamePoint, type Point } from '../domain/point.ts'
import type { Project } from '../domain/project.ts'
import type { Snapshot } from '../domain/snapshot.ts'
import { type EpochMs, toMicros } from '../lib/time.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import type { CreateBranch } from './actions.ts'
import { basesOf } from './history-volumes.ts'
import { mustHaveData } from './known-volumes.ts'
import { mayAddRoot, mayCopy } from './limits.ts'
import type { Source } from './place-volume.ts'
import { mustBePast, mustHaveBase } from './point-in-history.ts'
import type { Policy, Services } from './services.ts'
import { templateSource } from './template.ts'
import { volumeOf } from './volume-of.ts'

export interface Origin {
  /** What the new branch's row says of it. */
  readonly fields: Pick<
    Branch,
    | 'logicalSizeBytes'
    | 'sourceBranchUid'
    | 'sourceBranchId'
    | 'sourceTime'
    | 'sourcePoint'
    | 'sourceSnapshotUid'
    | 'sourceSnapshotId'
  >
  /** Its passwords must not open the new branch. */
  readonly isOfProtected: boolean
}

type SourceSpec = Pick<CreateBranch['spec'], 'source' | 'sourceLsn' | 'sourceTime' | 'snapshot'>

/** What a new branch begins with. Holds the project already. */
export async function findOrigin(
  session: CatalogSession,
  project: Project,
  spec: SourceSpec,
  { policy, now }: { readonly policy: Policy; readonly now: EpochMs },
): Promise<Origin> {
  if (spec.snapshot !== undefined) {
    mustNameOneSource(spec)
    const snapshot = await findSourceSnapshot(session, project, spec.snapshot)
    await mayAddRoot(session, project, policy)
    return {
      fields: {
        logicalSizeBytes: 0, // counted when it runs
        sourceBranchUid: undefined,
        sourceBranchId: undefined,
        sourceTime: undefined,
        sourcePoint: undefined,
        sourceSnapshotUid: snapshot.uid,
        sourceSnapshotId: snapshot.snapshotId,
      },
      isOfProtected: snapshot.isOfProtected,
    }
  }
  const source = await findSource(session, project, spec.source)
  const point = pointOf(spec)
  if (point !== undefined) await mustHold(session, source, point, now)
  if (policy.contract === 'strict' && source.expireTime !== undefined) {
    throw new Fault('EXPIRING_BRANCH_HAS_CHILDREN')
  }
  mayCopy(source, policy)
  return {
    fields: {
      logicalSizeBytes: point === undefined ? source.logicalSizeBytes : 0,
      sourceBranchUid: source.uid,
      sourceBranchId: source.branchId,
      sourceTime: point === undefined ? toMicros(now) : undefined,
      sourcePoint: point,
      sourceSnapshotUid: undefined,
      sourceSnapshotId: undefined,
    },
    isOfProtected: source.isProtected,
  }
}

/** Known now, so said now: a source whose volume somebody has taken away. */
export async function originMustHaveData(
  session: CatalogSession,
  { storage }: Pick<Services, 'storage'>,
  { sourceBranchUid, sourceSnapshotUid }: Origin['fields'],
): Promise<void> {
  const branch = sourceBranchUid && (await session.branches.byUid(sourceBranchUid))
  if (branch !== undefined) await mustHaveData({ storage }, { branch })
  const snapshot = sourceSnapshotUid && (await session.snapshots.byUid(sourceSnapshotUid))
  if (snapshot === undefined || (await storage.hasVolume(volumeOf(snapshot)))) return
  const facts = { snapshot: snapshot.snapshotId, volume: volumeOf(snapshot) }
  throw new Fault('SNAPSHOT_DATA_MISSING', facts)
}

/** The point of the source's history that is asked for; `undefined`: as it is now. */
export function pointOf({
  sourceLsn,
  sourceTime,
}: Pick<SourceSpec, 'sourceLsn' | 'sourceTime'>): Point | undefined {
  if (sourceLsn !== undefined && sourceTime !== undefined) throw new Fault('POINT_AMBIGUOUS')
  if (sourceLsn !== undefined) return { kind: 'lsn', lsn: sourceLsn }
  return sourceTime === undefined ? undefined : { kind: 'time', time: sourceTime }
}

/** What can be known at once of a point: it is past, and not before the history of the branch. */
export async function mustHold(
  { bases }: Pick<CatalogSession, 'bases'>,
  branch: Branch,
  point: Point,
  now: EpochMs,
): Promise<void> {
  mustBePast(point, toMicros(now))
  mustHaveBase(branch, await basesOf(bases, branch), point)
}

function mustNameOneSource({ source, sourceLsn, sourceTime }: SourceSpec): void {
  const others = {
    source_branch: source,
    source_branch_lsn: sourceLsn,
    source_branch_time: sourceTime,
  }
  for (const [field, value] of Object.entries(others)) {
    if (value !== undefined) throw new Fault('SOURCE_AMBIGUOUS', { field })
  }
}

/** The branch named as source, by full name or bare id; default: the default branch. */
export async function findSource(
  session: CatalogSession,
  project: Project,
  source: string | undefined,
): Promise<Branch> {
  const branch =
    source === undefined
      ? project.defaultBranchUid && (await session.branches.byUid(project.defaultBranchUid))
      : await session.branches.byId(project.uid, sourceId(project.projectId, source))
  if (branch === undefined || branch.deleteTime !== undefined) throw new Fault('BRANCH_NOT_FOUND')
  if (branch.state !== 'READY') {
    throw new Fault('SOURCE_NOT_READY', { branch: branch.branchId, state: branch.state })
  }
  return branch
}

function sourceId(project: ProjectId, source: string) {
  if (!source.includes('/')) return parseBranchId(source)
  const path = parseBranchName(source)
  if (path.project !== project) throw new Fault('SOURCE_OTHER_PROJECT')
  return path.branch
}

export async function findSourceSnapshot(
  session: CatalogSession,
  project: Project,
  name: string,
): Promise<Snapshot> {
  const snapshot = await session.snapshots.byId(project.uid, snapshotIdOf(project.projectId, name))
  if (snapshot === undefined) throw new Fault('SNAPSHOT_NOT_FOUND')
  if (snapshot.state !== 'AVAILABLE') {
    throw new Fault('SNAPSHOT_NOT_READY', { snapshot: snapshot.snapshotId })
  }
  return snapshot
}

function snapshotIdOf(project: ProjectId, name: string) {
  if (!name.includes('/')) return parseSnapshotId(name)
  const path = parseSnapshotName(name)
  if (path.project !== project) throw new Fault('SNAPSHOT_OTHER_PROJECT')
  return path.snapshot
}

/** Answering with a branch of other data than was asked for would be worse than a refusal. */
export function mustKeepSource(project: Project, existing: Branch, spec: SourceSpec): void {
  const { source, sourceLsn, sourceTime, snapshot } = spec
  const { projectId } = project
  // What was asked for then, or what became of it.
  const isAt = (point: Point) =>
    isSamePoint(point, existing.sourcePoint) ||
    (point.kind === 'lsn' ? point.lsn === existing.sourceLsn : point.time === existing.sourceTime)
  const changes = {
    source_branch: source !== undefined && sourceId(projectId, source) !== existing.sourceBranchId,
    source_branch_lsn: sourceLsn !== undefined && !isAt({ kind: 'lsn', lsn: sourceLsn }),
    source_branch_time: sourceTime !== undefined && !isAt({ kind: 'time', time: sourceTime }),
    source_snapshot:
      snapshot !== undefined && snapshotIdOf(projectId, snapshot) !== existing.sourceSnapshotId,
  }
  for (const [field, isChange] of Object.entries(changes)) {
    if (isChange) throw new Fault('FIELD_IMMUTABLE', { field: `spec.${field}` })
  }
}

/** The volume that a reserved branch is cloned from. */
export async function sourceOf(
  services: Services,
  project: Project,
  branch: Branch,
): Promise<Source> {
  const { sourceSnapshotUid: snapshot, sourceBranchUid: source } = branch
  if (snapshot !== undefined) {
    return snapshotSource(services, snapshot)
  }
  if (source === undefined) return templateSource(services, project.pgVersion)
  return branchSource(services, source)
}

export const snapshotSource = (
  { catalog }: Pick<Services, 'catalog'>,
  uid: Snapshot['uid'],
): Source => ({
  async volume() {
    const snapshot = await catalog.snapshots.byUid(uid)
    if (snapshot === undefined) throw new Fault('SNAPSHOT_NOT_FOUND') // deleted since it was accepted
    return volumeOf(snapshot)
  },
  lock: uid,
  compute: uid as string as EndpointUid, // never runs
})

/** A branch as it is now, awake or asleep. */
export async function branchSource(
  { catalog }: Pick<Services, 'catalog'>,
  uid: Branch['uid'],
): Promise<Source> {
  const endpoints = await catalog.endpoints.ofBranch(uid)
  const writer = endpoints.find(({ type }) => type === 'ENDPOINT_TYPE_READ_WRITE')
  if (writer === undefined) throw new Fault('BRANCH_NOT_FOUND') // deleted since it was accepted
  return {
    async volume() {
      const branch = await catalog.branches.byUid(uid)
      if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
      return volumeOf(branch)
    },
    lock: uid,
    compute: writer.uid,
  }
}
