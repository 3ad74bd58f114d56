/**
 * What a reset or restore would lose, told without waking or touching anything: by what a compute that runs says
 * of itself, else by the last checkpoint in the volume. The refusals are those of the act itself.
 */
import type { Branch } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
import { lsn } from '../domain/lsn.ts'
import type { BranchPath } from '../domain/names.ts'
import {
  type Losses,
  type Position,
  type ResetPreview,
  renderPreview,
  writtenBetween,
} from '../domain/reset-preview.ts'
import { type EpochMs, toMillis } from '../lib/time.ts'
import type { VolumeId } from '../ports/storage.ts'
import { findBranch, may } from './access.ts'
import type { Caller, RestorePoint } from './actions.ts'
import { basesOf, baseVolume } from './history-volumes.ts'
import { mustHaveBase } from './point-in-history.ts'
import { type Accepted, judgeReset, judgeRestore } from './reset-branch.ts'
import type { Services } from './services.ts'
import { volumeOf } from './volume-of.ts'

export async function previewReset(
  services: Services,
  caller: Caller,
  path: BranchPath,
): Promise<ResetPreview> {
  const { catalog } = services
  const { project, branch } = await findBranch(catalog, path, may(caller, 'previewReset'))
  const accepted = await judgeReset(services, catalog, caller, project, branch)
  return preview(services, path, branch, accepted)
}

export async function previewRestore(
  services: Services,
  caller: Caller,
  path: BranchPath,
  to: RestorePoint,
): Promise<ResetPreview> {
  const { catalog } = services
  const { project, branch } = await findBranch(catalog, path, may(caller, 'previewRestore'))
  const accepted = await judgeRestore(services, catalog, project, branch, to)
  return preview(services, path, branch, accepted)
}

async function preview(
  services: Services,
  path: BranchPath,
  branch: Branch,
  accepted: Accepted,
): Promise<ResetPreview> {
  return renderPreview(path, accepted.replacement, await lossesOf(services, branch, accepted))
}

async function lossesOf(services: Services, branch: Branch, accepted: Accepted): Promise<Losses> {
  const { catalog, computes } = services
  const endpoints = await catalog.endpoints.ofBranch(branch.uid)
  let sessions = 0
  let now: Position | undefined
  for (const endpoint of endpoints) {
    if ((await computes.look(endpoint.uid)).kind !== 'ready') continue
    sessions += (await computes.activity(endpoint.uid)).sessions
    if (!isReader(endpoint)) now = await computes.position(endpoint.uid)
  }
  const { since, from } = await beginOf(services, branch, accepted)
  const written =
    from && writtenBetween(from, now ?? (await checkpointOf(services, volumeOf(branch))))
  return { since, written, sessions }
}

/**
 * Where what would be lost begins. A snapshot of an earlier volume (before a reset) shares no log with this one,
 * of which all is lost. One of this volume, and the base that a point begins with, say where their
 * last checkpoint was, which is a little before: the count is then an upper bound.
 */
async function beginOf(
  services: Services,
  branch: Branch,
  { replacement, snapshot }: Accepted,
): Promise<{ readonly since: EpochMs; readonly from: Position | undefined }> {
  if (replacement.kind === 'time' || replacement.kind === 'lsn') {
    const bases = await basesOf(services.catalog.bases, branch)
    const base = mustHaveBase(branch, bases, replacement)
    const { xid } = await checkpointOf(services, baseVolume(base))
    return replacement.kind === 'time'
      ? { since: toMillis(replacement.time), from: { lsn: base.consistent, xid } }
      : { since: toMillis(base.time), from: { lsn: replacement.lsn, xid } }
  }
  const { begin, sourceTime, createTime } = branch
  const taken = snapshot?.sourceTime
  if (snapshot !== undefined && taken !== undefined && taken > (begin?.time ?? 0)) {
    return { since: taken, from: await checkpointOf(services, volumeOf(snapshot)) }
  }
  const since = taken ?? begin?.time ?? (sourceTime && toMillis(sourceTime)) ?? createTime
  return { since, from: begin }
}

async function checkpointOf(
  { storage }: Pick<Services, 'storage'>,
  volume: VolumeId,
): Promise<Position> {
  const { position, nextXid } = await storage.lastCheckpoint(volume)
  return { lsn: lsn(position), xid: nextXid }
}
