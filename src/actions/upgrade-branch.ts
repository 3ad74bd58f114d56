/**
 * Upgrade branch: a new branch of a later Postgres major with the data of another branch as it is now, which
 * stays as it is. A clone of that branch and a fresh cluster run side by side under computes of the
 * operation's own, and the contents go from one to the other (docs/adr/2026-11-23-upgrades.md).
 */

import { expireTimeOf } from '../domain/expiration.ts'
import { Fault } from '../domain/faults.ts'
import type { BranchUid } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import { type PostgresMajor, postgresMajors } from '../domain/project.ts'
import { failpoint } from '../lib/failpoint.ts'
import { toMicros } from '../lib/time.ts'
import type { Kind, StepContext } from '../operations/kind.ts'
import type { DraftId } from '../ports/storage.ts'
import { allow, lockProject, may } from './access.ts'
import type { Caller, UpgradeBranch } from './actions.ts'
import { mayWakeOneMore } from './active-limit.ts'
import { branchSource, findOrigin } from './branch-origin.ts'
import { branchSteps, newBranch, reserveBranch } from './create-branch.ts'
import type { Prepared } from './fleet.ts'
import { mayAddBranch } from './limits.ts'
import { placeVolume } from './place-volume.ts'
import { discardScratch, type Scratch, scratchOf } from './scratch.ts'
import type { Services } from './services.ts'
import { templateSource } from './template.ts'
import { boundsFor } from './ttl-policy.ts'
import { viewBranch } from './views.ts'
import { volumeOf } from './volume-of.ts'

export async function upgradeBranch(
  services: Services,
  caller: Caller,
  { source: path, branchId, pgVersion, expiration: asked }: UpgradeBranch,
): Promise<OperationResource> {
  const { catalog, clock, policy, computes, storage } = services
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'upgradeBranch'))
    if ((await session.branches.byId(project.uid, branchId)) !== undefined) {
      throw new Fault('BRANCH_EXISTS')
    }
    const now = clock.now()
    const bounds = await boundsFor(session, policy, project, branchId, caller.identity.uid)
    const otherwise =
      bounds.default === undefined ? undefined : { kind: 'ttl' as const, ttl: bounds.default }
    const expiration = asked ?? otherwise
    if (expiration === undefined) throw new Fault('EXPIRATION_REQUIRED')
    if (expiration.kind === 'never')
      await allow(session, project, may(caller, 'upgradeBranch/stays'))
    const expireTime = expireTimeOf(expiration, { createTime: now, now, ...bounds })
    const { fields, isOfProtected } = await findOrigin(
      session,
      project,
      { source: path.branch },
      { policy, now },
    )
    const source = await session.branches.byId(project.uid, path.branch)
    if (source === undefined) throw new Fault('BRANCH_NOT_FOUND')
    const major =
      (await computes.majorOf(storage.dataDirectory(volumeOf(source)))) ?? project.pgVersion
    mustBeLater(services, source.branchId, major, pgVersion)
    await mayAddBranch(session, project, policy)
    await mayWakeOneMore(services, session, project) // it is made awake
    await storage.checkRoom()
    const { work } = await reserveBranch(session, {
      project,
      branch: { ...newBranch(project, caller, branchId, now), expireTime, ...fields },
      kind: 'upgrade-branch',
      caller,
      now,
    })
    const input = { ...work.input, source: source.uid, to: pgVersion, major }
    await session.work.insert({ ...work, input: { ...input, renewPasswords: isOfProtected } })
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

function mustBeLater(
  { computes }: Pick<Services, 'computes'>,
  branch: string,
  major: PostgresMajor,
  to: PostgresMajor,
): void {
  if (to <= major) throw new Fault('UPGRADE_NOT_NEWER', { branch, major, to })
  const available = computes.toolchains().map((toolchain) => toolchain.major)
  if (!postgresMajors.includes(to) || !available.includes(to)) {
    const list = available.length === 0 ? 'none' : available.toSorted().join(', ')
    throw new Fault('TOOLCHAIN_MISSING', { major: to, available: list })
  }
}

export const upgradeBranchKind = (services: Services, prepared: Prepared): Kind => ({
  name: 'upgrade-branch',
  onFailure: 'undo',
  steps: [
    {
      name: 'reserve', // done when accepted; here for its undo, which must come last
      async undo({ row }) {
        await services.catalog.branches.remove(row.input.branch as BranchUid)
      },
    },
    {
      name: 'copy',
      run: (context, signal) => copy(services, context, signal),
      async undo(context) {
        await discardWork(services, context)
        await services.storage.deleteDraft(draftOf(context))
        const branch = await services.catalog.branches.byUid(context.row.input.branch as BranchUid)
        if (branch !== undefined) await services.storage.deleteVolume(volumeOf(branch))
      },
    },
    ...branchSteps(services, prepared).filter(({ name }) => name !== 'clone'),
  ],
  async finish({ row }, session) {
    const branch = await session.branches.byUid(row.input.branch as BranchUid)
    const project = await session.projects.byUid(row.projectUid)
    if (branch === undefined || project === undefined) throw new Fault('BRANCH_NOT_FOUND')
    return viewBranch(project, branch)
  },
})

interface Sides {
  /** A clone of the source. */
  readonly old: Scratch
  /** What becomes the branch's volume when it is whole. */
  readonly new: Scratch
  readonly dump: DraftId
}

const sidesOf = (services: Services, { row }: StepContext): Sides => ({
  old: scratchOf(services, row.uid, { use: 'old', major: row.input.major as PostgresMajor }),
  new: scratchOf(services, row.uid, { use: 'new', major: row.input.to as PostgresMajor }),
  dump: `dump-${row.uid}` as DraftId,
})

const draftOf = ({ row }: StepContext) => row.uid as string as DraftId

/** Both clusters with their computes, and the dump. Absent is success. */
async function discardWork(services: Services, context: StepContext): Promise<void> {
  const sides = sidesOf(services, context)
  const directories = [sides.old, sides.new].map(({ spec }) => spec.dataDirectory)
  await services.computes.endUpgrade(directories)
  await discardScratch(services, sides.new)
  await discardScratch(services, sides.old)
  await services.storage.deleteDraft(sides.dump)
}

/** From the beginning each time: a copy that was cut short is worth nothing. */
async function copy(services: Services, context: StepContext, signal: AbortSignal): Promise<void> {
  const { computes, catalog } = services
  const { row } = context
  await discardWork(services, context)
  const sides = sidesOf(services, context)
  context.show({ doing: 'cloning the branch', done: 0, total: 1 })
  const source = await branchSource({ catalog }, row.input.source as BranchUid)
  const { time } = await placeVolume(services, source, sides.old.volume, sides.old.draft)
  const [from, to] = [sides.old.spec.uid, sides.new.spec.uid]
  const cancel = () => {
    for (const uid of [from, to]) computes.stop(uid, 'immediate').catch(() => undefined)
  }
  signal.addEventListener('abort', cancel, { once: true })
  try {
    await computes.ensureReady(sides.old.spec)
    const reached = await computes.recoveredTo(from)
    const isComplete = await computes.canUpgradeCluster(sides.old.spec.major, sides.new.spec.major)
    if (isComplete) await upgradeFiles(services, context, sides, signal)
    else await copyContents(services, context, sides, signal)
    const branch = await catalog.branches.byUid(row.input.branch as BranchUid)
    if (branch === undefined) throw new Error('the row of a branch in the making is gone')
    const { volume } = sides.new
    await computes.stop(to, 'fast')
    await placeVolume(
      services,
      { volume: () => Promise.resolve(volume), lock: volume, compute: to },
      volumeOf(branch),
      draftOf(context),
    )
    context.memory = {
      ...context.memory,
      time: String(toMicros(time)),
      sourceLsn: String(reached),
    }
  } finally {
    signal.removeEventListener('abort', cancel)
    await discardWork(services, context)
  }
}

/** By `pg_upgrade`, into a cluster that nobody has started: ours are all of a template that has. */
async function upgradeFiles(
  { computes, roles, storage }: Services,
  context: StepContext,
  { old, new: fresh, dump }: Sides,
  signal: AbortSignal,
): Promise<void> {
  context.show({ doing: 'upgrading its files', done: 0, total: 1 })
  const cluster = await roles.beginUpgrade(computes.socketDirectory(old.spec.uid))
  await computes.stop(old.spec.uid, 'fast')
  await computes.initialize(fresh.spec.major, await storage.createDraft(fresh.draft))
  await storage.linkWal(fresh.draft, fresh.volume)
  await storage.publish(fresh.draft, fresh.volume)
  await computes.upgradeCluster({
    from: old.spec,
    to: fresh.spec,
    directory: await storage.createDraft(dump),
    socketDirectory: computes.socketDirectory(old.spec.uid),
    sharing: storage.can.instantClone ? 'clone' : 'link',
    signal,
  })
  await computes.ensureReady(fresh.spec)
  const socket = computes.socketDirectory(fresh.spec.uid)
  await roles.finishUpgrade(socket, cluster)
  await roles.prepareCluster(socket)
}

/** By dump and restore, a database after another, into a clone of the template. */
async function copyContents(
  services: Services,
  context: StepContext,
  sides: Sides,
  signal: AbortSignal,
): Promise<void> {
  const { computes, roles, storage } = services
  const [from, to] = [sides.old.spec.uid, sides.new.spec.uid]
  const template = await templateSource(services, sides.new.spec.major)
  await placeVolume(services, template, sides.new.volume, sides.new.draft)
  await computes.ensureReady(sides.new.spec)
  const [old, fresh] = [computes.socketDirectory(from), computes.socketDirectory(to)]
  const databases = await roles.copyCluster(old, fresh)
  for (const { name: database } of databases) {
    const missing = await roles.missingExtensions(old, fresh, database)
    if (missing.length > 0) {
      const facts = { to: sides.new.spec.major, database, extensions: missing.join(', ') }
      throw new Fault('UPGRADE_EXTENSIONS_MISSING', facts)
    }
  }
  for (const [done, { name: database }] of databases.entries()) {
    signal.throwIfAborted()
    context.show({ doing: `copying ${database}`, done, total: databases.length })
    const directory = await storage.createDraft(sides.dump)
    await computes.copyDatabase(from, to, {
      database,
      directory,
      betweenSchemasAndRest: () => roles.copyExtensions(old, fresh, database),
      signal,
    })
    await failpoint('upgrade-branch.copied-database')
  }
  await roles.finishCopy(fresh, databases)
  await roles.prepareCluster(fresh) // what a database from SQL's hands may lack
}
