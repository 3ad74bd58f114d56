/**
 * Reset and restore, carried out: a new volume beside the one in use, recovered and proven by a compute of the
 * operation's own; then sessions end, the compute stops, the rows of the branch and of the snapshot of its
 * previous state exchange their volumes in one transaction, and it starts again. No file is renamed, so
 * there is no moment at which a crash leaves half of it.
 *
 * Until the exchange everything can be undone, since nobody has seen the new volume. After it nothing is: somebody may
 * have written to it. In between (the compute does not start on it) the lock of the volume is still held, and the
 * exchange is taken back.
 */
import type { Branch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import type { BranchUid, EndpointUid, SnapshotUid } from '../domain/names.ts'
import { parsePoint } from '../domain/point.ts'
import type { Project } from '../domain/project.ts'
import type { Snapshot } from '../domain/snapshot.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { Kind, StepContext } from '../operations/kind.ts'
import type { JsonObject } from '../ports/catalog.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import type { DraftId } from '../ports/storage.ts'
import { writeBeginning } from './beginning.ts'
import { branchSource, snapshotSource } from './branch-origin.ts'
import { settingsOf } from './compute-spec.ts'
import { exchange } from './exchange-volumes.ts'
import { mustReach, placeAt } from './place-at.ts'
import { placeVolume, type Source } from './place-volume.ts'
import { rowsOf, unusedVolume } from './replacing.ts'
import type { Services } from './services.ts'
import { viewBranch } from './views.ts'
import { volumeOf } from './volume-of.ts'

export const replaceVolumeKinds = (services: Services): readonly Kind[] =>
  ['reset-branch', 'restore-branch'].map((name) => replaceVolume(services, name))

const replaceVolume = (services: Services, name: string): Kind => ({
  name,
  onFailure: 'undo',
  steps: [
    {
      name: 'reserve', // done when accepted; here for its undo, which must come last
      undo: (context) => forgetAttempt(services, context),
    },
    {
      name: 'clone',
      async run(context) {
        const { branch, kept } = await rowsOf(services, context)
        const from = context.row.input.from as JsonObject
        const [target, draft] = [volumeOf(kept), draftOf(context)]
        if (from.kind === 'point') {
          const point = parsePoint(String(from.point))
          const placed = await placeAt(services, branch.uid, point, target, draft)
          context.memory = { ...context.memory, goal: String(placed.lsn) }
          return
        }
        const source = await sourceOf(services, from)
        const { time, end } = await placeVolume(services, source, target, draft)
        const goal = end === undefined ? {} : { goal: String(end) }
        context.memory = { ...context.memory, time, ...goal }
      },
      async undo(context) {
        const { storage } = services
        const kept = await unusedVolume(services, context)
        if (kept === undefined) return
        await storage.deleteDraft(draftOf(context))
        await storage.deleteVolume(volumeOf(kept))
      },
    },
    {
      name: 'verify',
      run: (context) => prove(services, context),
      async undo(context) {
        const { catalog, computes } = services
        const project = await catalog.projects.byUid(context.row.projectUid)
        const kept = await unusedVolume(services, context)
        if (project !== undefined && kept !== undefined) {
          // A server that died may have left it running. One that cannot be taken over was ended.
          const spec = { ...placeOf(services, context, project, kept), settings: {} }
          await computes.adopt(spec).catch(() => undefined)
        }
        await computes.forget(ownCompute(context))
      },
    },
    {
      name: 'exchange',
      async run(context) {
        await exchange(services, context)
        context.memory = {} // who reads the row later has no use for verifiers of passwords
      },
    },
  ],
  async finish(context) {
    const { project, branch } = await rowsOf(services, context)
    return viewBranch(project, branch)
  },
})

const draftOf = ({ row }: StepContext) => row.uid as string as DraftId
/** The random end of the operation's id: the path of a socket has little room. */
const ownCompute = ({ row }: StepContext) => `replace-${row.uid.slice(-12)}` as EndpointUid

async function sourceOf(services: Services, from: JsonObject): Promise<Source> {
  if (from.kind === 'snapshot') return snapshotSource(services, from.snapshot as SnapshotUid)
  return branchSource(services, from.branch as BranchUid)
}

async function branchIn({ catalog }: Services, from: JsonObject): Promise<Branch> {
  const branch = await catalog.branches.byUid(from.branch as BranchUid)
  if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND') // deleted since it was cloned
  return branch
}

const placeOf = (
  { storage }: Pick<Services, 'storage'>,
  context: StepContext,
  project: Project,
  kept: Snapshot,
): Omit<ComputeSpec, 'settings'> => ({
  uid: ownCompute(context),
  major: project.pgVersion,
  dataDirectory: storage.dataDirectory(volumeOf(kept)),
})

/** Recovers the new volume and asks it, before anybody depends on it. */
async function prove(services: Services, context: StepContext): Promise<void> {
  const { computes, roles } = services
  const { project, branch, endpoint, kept } = await rowsOf(services, context)
  const place = placeOf(services, context, project, kept)
  const spec: ComputeSpec = { ...place, settings: settingsOf(endpoint) }
  await computes.ensureReady(spec)
  await failpoint('replace-volume.verify:started')
  const reached = await computes.recoveredTo(spec.uid)
  const { goal } = context.memory
  if (goal !== undefined) {
    const from = context.row.input.from as JsonObject
    const source = from.kind === 'source' ? await branchIn(services, from) : branch
    await mustReach(services, source, { goal: BigInt(String(goal)), reached })
  }
  const socket = computes.socketDirectory(spec.uid)
  if (context.row.input.renewPasswords === true) await roles.renewPasswords(socket)
  const logicalSize = await computes.logicalSize(spec.uid)
  const verifiers = await roles.passwordVerifiers(socket)
  const position = await computes.position(spec.uid)
  await computes.stop(spec.uid, 'fast')
  await failpoint('replace-volume.verify:stopped')
  await computes.forget(spec.uid)
  context.memory = {
    ...context.memory,
    reached: String(reached),
    begin: writeBeginning({ ...position, time: services.clock.now() }),
    logicalSize,
    verifiers: Object.fromEntries(verifiers.map(({ role, verifier }) => [role, verifier])),
  }
}

/** The branch is as it was; or, where the server died again and again after the exchange, whole on its new data. */
async function forgetAttempt(services: Services, context: StepContext): Promise<void> {
  const { catalog, clock } = services
  const unused = await unusedVolume(services, context)
  await catalog.transaction(async (session) => {
    await session.projects.lock(context.row.projectUid)
    const branch = await session.branches.byUid(context.row.input.branch as BranchUid)
    // Deleted meanwhile: that delete waits for us and must find its state as it left it.
    if (branch?.pendingState === 'RESETTING') {
      await session.branches.update(branch.uid, {
        pendingState: undefined,
        stateChangeTime: clock.now(),
      })
    }
    if (unused !== undefined) await session.snapshots.remove(unused.uid)
  })
}
