/**
 * Collects branches whose worktrees on this machine are gone. Only what the server may read tells: of a machine that is another
 * one, or a directory that is closed to it, it knows nothing and does nothing; `lakelet gc` is for those.
 */
import { bySystem } from '../actions/audit-entry.ts'
import { retireLeftOver } from '../actions/collect-branch.ts'
import type { Services } from '../actions/services.ts'
import { afterFinding, type CollectPlan, isGone } from '../domain/binding.ts'
import type { BranchUid } from '../domain/names.ts'
import { operationName } from '../domain/operation.ts'
import { failpoint } from '../lib/failpoint.ts'
import { type EpochMs, minutes } from '../lib/time.ts'
import type { Repositories } from '../ports/bindings.ts'

type Parts = Pick<Services, 'catalog' | 'clock' | 'log' | 'policy'>

/** A look at a file system that hangs never ends: so long it is waited for, and until it ends none is begun. */
const lookPatience = minutes(1)

/** Looks, notes what is gone, and collects what has been gone for the grace. Answers when the next grace is over. */
export function leftOverCollector(
  services: Parts,
  repositories: Repositories,
): () => Promise<EpochMs | undefined> {
  const { catalog, clock, log } = services
  let hanging = false

  const look = async (bindings: Parameters<Repositories['look']>[0]) => {
    const done = new AbortController()
    const looking = repositories.look(bindings).finally(() => {
      hanging = false
    })
    hanging = true
    const late = clock.sleep(lookPatience, done.signal).then(
      () => undefined,
      () => undefined,
    )
    try {
      return await Promise.race([looking, late])
    } finally {
      done.abort()
    }
  }

  return async () => {
    const bindings = await catalog.bindings.ofHost(repositories.host)
    if (bindings.length === 0) return undefined
    if (hanging) {
      log.warn('worktrees are not looked at: the last look has not come back')
      return undefined
    }
    const found = await look(bindings)
    if (found === undefined) return undefined
    const now = clock.now()
    const seen = bindings.map((binding, at) => ({ binding, found: found[at] ?? 'UNKNOWN' }))
    const changes = seen
      .map(({ binding, found: what }) => ({ binding, gone: afterFinding(binding, what, now) }))
      .filter(({ binding, gone }) => binding.gone?.what !== gone?.what)
      .map(({ binding: { uid, updateTime }, gone }) => ({ uid, gone, asOf: updateTime }))
    await catalog.bindings.setGone(changes)
    await failpoint('collect-left-overs.noted:after')
    const suspects = new Set(
      seen.flatMap(({ binding, found: what }) => (isGone(what) ? [binding.branchUid] : [])),
    )
    // What could not be read a moment ago may be there.
    for (const { binding, found: what } of seen) {
      if (what === 'UNKNOWN') suspects.delete(binding.branchUid)
    }
    let next: EpochMs | undefined
    for (const uid of suspects) {
      try {
        const plan = await collect(services, uid)
        if (plan?.act === 'wait' && (next === undefined || plan.until < next)) next = plan.until
      } catch (error) {
        log.error({ err: error, branch: uid }, 'cannot collect a branch whose worktree is gone')
      }
    }
    return next
  }
}

/** Looks again under the project's lock: it may just have been bound anew. */
async function collect(services: Parts, uid: BranchUid): Promise<CollectPlan | undefined> {
  const { catalog, clock, log, policy } = services
  return catalog.transaction(async (session) => {
    const row = await session.branches.byUid(uid)
    const project = row && (await session.projects.lock(row.projectUid))
    const branch = await session.branches.byUid(uid)
    if (project === undefined || project.deleteTime !== undefined) return undefined
    if (branch === undefined || branch.deleteTime !== undefined) return undefined
    const { plan, work } = await retireLeftOver(services, session, project, branch, {
      grace: policy.collectGrace,
      callerUid: undefined,
    })
    if (work === undefined) return plan
    log.info({ branch: branch.branchId, uid, because: plan.because }, 'a branch is a left-over')
    const about = {
      resource: work.resource,
      resourceUid: uid,
      details: { because: plan.because },
    }
    await session.audit.append({
      ...bySystem('collect-branch', about, clock.now()),
      projectUid: project.uid,
      operation: operationName(work),
      result: 'accepted',
    })
    return plan
  })
}
