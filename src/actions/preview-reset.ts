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
import type { Snapshot } from '../domain/snapshot.ts'
import { findBranch, may } from './access.ts'
import type { Caller, RestorePoint } from './actions.ts'
import { type Accepted, judgeReset, judgeRestore } from './reset-branch.ts'
import type { Services } from './services.ts'
import { type Holder, volumeOf } from './volume-of.ts'

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
  { replacement, snapshot }: Accepted,
): Promise<ResetPreview> {
  return renderPreview(path, replacement, await lossesOf(services, branch, snapshot))
}

async function lossesOf(
  services: Services,
  branch: Branch,
  snapshot: Snapshot | undefined,
): Promise<Losses> {
  const { catalog, computes } = services
  const endpoints = await catalog.endpoints.ofBranch(branch.uid)
  let sessions = 0
  let now: Position | undefined
  for (const endpoint of endpoints) {
    if ((await computes.look(endpoint.uid)).kind !== 'ready') continue
    sessions += (await computes.activity(endpoint.uid)).sessions
    if (!isReader(endpoint)) now = await computes.position(endpoint.uid)
  }
  const { since, from } = await beginOf(services, branch, snapshot)
  const written = from && writtenBetween(from, now ?? (await checkpointOf(services, branch)))
  return { since, written, sessions }
}

/**
 * Where what would be lost begins. A snapshot of an earlier volume (before a reset) shares no log with this one,
 * of which all is lost. One of this volume says where its last checkpoint was, which is a little before
 * it: the count is then an upper bound.
 */
async function beginOf(services: Services, branch: Branch, snapshot: Snapshot | undefined) {
  const { begin, sourceTime, createTime } = branch
  const taken = snapshot?.sourceTime
  if (
    snapshot !== undefined &&
    taken !== undefined &&
    (begin === undefined || taken > begin.time)
  ) {
    return { since: taken, from: await checkpointOf(services, snapshot) }
  }
  return { since: taken ?? begin?.time ?? sourceTime ?? createTime, from: begin }
}

async function checkpointOf(
  { storage }: Pick<Services, 'storage'>,
  holder: Holder,
): Promise<Position> {
  const { position, nextXid } = await storage.lastCheckpoint(volumeOf(holder))
  return { lsn: lsn(position), xid: nextXid }
}
