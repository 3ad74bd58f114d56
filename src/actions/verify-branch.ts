/**
 * Verify branch: clones it as it is now, looks at every page and every relation of the clone, throws the
 * clone away. The branch itself is held no longer than for any clone; whatever was changed since is not in
 * the report.
 */
import { Fault } from '../domain/faults.ts'
import { type BranchPath, type BranchUid, branchName } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { PostgresMajor } from '../domain/project.ts'
import { mostProblems, renderVerification, type VerifiedRelations } from '../domain/verification.ts'
import { epochMs } from '../lib/time.ts'
import type { Kind, StepContext } from '../operations/kind.ts'
import type { JsonObject, NewWork } from '../ports/catalog.ts'
import type { PagesChecked } from '../ports/storage.ts'
import { lockProject, may } from './access.ts'
import type { Caller } from './actions.ts'
import { branchSource, findSource } from './branch-origin.ts'
import { mayCopy } from './limits.ts'
import { newOperationUid } from './new-uid.ts'
import { mustReach } from './place-at.ts'
import { placeVolume } from './place-volume.ts'
import { discardScratch, endScratch, type Scratch, scratchOf } from './scratch.ts'
import type { Services } from './services.ts'

export async function verifyBranch(
  { catalog, clock, policy, storage }: Services,
  caller: Caller,
  path: BranchPath,
): Promise<OperationResource> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'verifyBranch'))
    const branch = await findSource(session, project, path.branch)
    mayCopy(branch, policy)
    await storage.checkRoom() // known now, so said now
    const work: NewWork = {
      uid: newOperationUid(),
      kind: 'verify-branch',
      resource: branchName(project.projectId, branch.branchId),
      subject: 'Branch',
      projectUid: project.uid,
      callerUid: caller.identity.uid,
      // Not the branch's own: nobody waits hours for a report before the branch can be changed.
      keys: [`verify ${branch.uid}`],
      input: { branch: branch.uid, major: project.pgVersion },
      createTime: clock.now(),
    }
    await session.work.insert(work)
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

export const verifyBranchKind = (services: Services): Kind => ({
  name: 'verify-branch',
  onFailure: 'undo',
  steps: [
    {
      name: 'clone',
      async run(context) {
        const { row } = context
        const scratch = scratchFor(services, context)
        await discardScratch(services, scratch) // of a run that a crash cut short
        const branch = row.input.branch as BranchUid
        const source = await branchSource(services, branch)
        const { time, end } = await placeVolume(services, source, scratch.volume, scratch.draft)
        const goal = end === undefined ? {} : { goal: String(end) }
        context.memory = { ...context.memory, time, ...goal }
      },
      undo: (context) => discardScratch(services, scratchFor(services, context)),
    },
    {
      name: 'check',
      async run(context, signal) {
        const scratch = scratchFor(services, context)
        const looked = await look(services, scratch, context, signal)
        const pages = await readPages(services, scratch, context, { ...looked, signal })
        const report = renderVerification({
          branch: context.row.resource,
          time: epochMs(Number(context.memory.time)),
          pages,
          ...looked,
        })
        context.memory = { ...context.memory, report: report as unknown as JsonObject }
      },
    },
    {
      name: 'discard',
      run: (context) => discardScratch(services, scratchFor(services, context)),
    },
  ],
  finish: ({ memory }) => Promise.resolve(memory.report as JsonObject),
})

const scratchFor = (services: Services, { row }: Pick<StepContext, 'row'>): Scratch =>
  scratchOf(services, row.uid, { use: 'verify', major: row.input.major as PostgresMajor })

interface Looked {
  readonly startProblem: string | undefined
  readonly relations: VerifiedRelations | undefined
}

/** Recovers the clone and looks into it; leaves it shut down, with all of its pages written. */
async function look(
  services: Services,
  scratch: Scratch,
  context: StepContext,
  signal: AbortSignal,
): Promise<Looked> {
  const { computes } = services
  const { uid } = scratch.spec
  await endScratch(services, scratch) // of a server that died here
  const cancel = () => void computes.stop(uid, 'immediate').catch(() => undefined)
  signal.addEventListener('abort', cancel, { once: true })
  try {
    context.show({ doing: 'starting Postgres on a clone', done: 0, total: 1 })
    await computes.ensureReady(scratch.spec)
    await mustBeWhole(services, context, await computes.recoveredTo(uid))
    const relations = await computes.checkRelations(uid, {
      most: mostProblems,
      onRelation: (done, total) =>
        context.show({ doing: 'checking tables and indexes', done, total }),
      signal,
    })
    await computes.stop(uid, 'fast')
    return { startProblem: undefined, relations }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof Fault) || !findings.has(error.reason)) throw error
    return { startProblem: error.text, relations: undefined } // its pages are looked at all the same
  } finally {
    signal.removeEventListener('abort', cancel)
    await computes.forget(uid)
  }
}

/** Of a clone that cannot start, or that lacks the end of its log. */
const findings = new Set<string>(['COMPUTE_FAILED', 'HISTORY_DAMAGED'])

async function mustBeWhole(
  services: Services,
  { memory: { goal }, row }: StepContext,
  reached: bigint,
): Promise<void> {
  const branch = await services.catalog.branches.byUid(row.input.branch as BranchUid)
  if (goal === undefined || branch === undefined) return
  await mustReach(services, branch, { goal: BigInt(String(goal)), reached })
}

async function readPages(
  { storage }: Services,
  { volume }: Scratch,
  context: StepContext,
  { relations, signal }: { relations: VerifiedRelations | undefined; signal: AbortSignal },
): Promise<PagesChecked> {
  return storage.checkPages(volume, {
    hasChecksums: relations?.hasChecksums ?? true,
    segmentPages: relations?.segmentPages ?? stockSegmentPages,
    most: mostProblems,
    onFile: (done, total) => context.show({ doing: 'reading every page', done, total }),
    signal,
  })
}

/** Of 8 kB in files of 1 GB: how Postgres is built unless somebody chose otherwise. */
const stockSegmentPages = 131_072
