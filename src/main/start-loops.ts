/** What the server does without being asked: its loops, how often each looks, and what wakes it sooner. */
import type { Prepared } from '../actions/fleet.ts'
import type { Services } from '../actions/services.ts'
import { hours, type Millis, millis, minutes, seconds } from '../lib/time.ts'
import type { Repositories } from '../ports/bindings.ts'
import { leftOverCollector } from '../reconcile/collect-left-overs.ts'
import { meetDeadlines } from '../reconcile/deadlines.ts'
import { accessGuard } from '../reconcile/end-sessions.ts'
import type { HistoryKeeper } from '../reconcile/keep-history.ts'
import { keepLeases } from '../reconcile/keep-leases.ts'
import { readerKeeper } from '../reconcile/keep-readers.ts'
import { startLoop } from '../reconcile/loop.ts'
import { measureSnapshots } from '../reconcile/measure-snapshots.ts'
import type { AwakeNoter } from '../reconcile/note-awake.ts'
import { meetSnapshotDeadlines } from '../reconcile/snapshot-deadlines.ts'
import { idleSuspender } from '../reconcile/suspend-idle.ts'
import { sweepAudit } from '../reconcile/sweep-audit.ts'
import { type SweepRules, straySweeper } from '../reconcile/sweep-strays.ts'
import { deliverEvents, warnOfEnds } from '../reconcile/warn-of-ends.ts'
import { postEvent } from '../transfer/post-event.ts'

/** Starts them all; each is ended by `onStop`, before what it works with. */
export function startLoops(
  services: Services,
  prepared: Prepared,
  {
    noter,
    historian,
    auditRetention,
    sweepRules,
    repositories,
    warnBefore,
  }: {
    readonly noter: AwakeNoter
    readonly historian: HistoryKeeper
    readonly auditRetention: Millis
    readonly sweepRules: SweepRules
    readonly repositories: Repositories
    readonly warnBefore: Millis
  },
  onStop: (ending: () => Promise<void>) => void,
): void {
  const { catalog, clock, log } = services
  const giveWay = millis(100)
  const deadlines = startLoop({
    name: 'deadlines',
    run: () => meetDeadlines(services),
    slowest: seconds(60),
    giveWay,
    clock,
    log,
  })
  const snapshots = startLoop({
    name: 'snapshots',
    run: () => meetSnapshotDeadlines(services),
    slowest: seconds(60),
    giveWay,
    clock,
    log,
  })
  const leases = startLoop({
    name: 'keep-leases',
    run: () => keepLeases(services),
    slowest: minutes(1),
    giveWay,
    clock,
    log,
  })
  const deliveries = startLoop({
    name: 'deliver-events',
    run: () => deliverEvents(services, postEvent),
    slowest: seconds(60),
    clock,
    log,
  })
  const warner = startLoop({
    name: 'warn-of-ends',
    run: () => warnOfEnds(services, warnBefore, () => deliveries.poke()),
    slowest: seconds(30),
    giveWay,
    clock,
    log,
  })
  const measures = startLoop({
    name: 'measure-snapshots',
    run: () => measureSnapshots(services),
    slowest: minutes(5),
    clock,
    log,
  })
  const suspender = startLoop({
    name: 'suspend-idle',
    run: idleSuspender(services),
    slowest: seconds(30),
    giveWay,
    clock,
    log,
  })
  const notes = startLoop({
    name: 'note-awake',
    run: () => noter.run(),
    slowest: seconds(1), // nothing to do costs nothing: what is due is in memory
    clock,
    log,
  })
  const guard = accessGuard(services, prepared)
  const access = startLoop({
    name: 'access',
    run: () => guard.run(),
    slowest: seconds(5),
    clock,
    log,
  })
  const keeper = startLoop({
    name: 'keep-readers',
    run: readerKeeper(services),
    slowest: seconds(30),
    giveWay,
    clock,
    log,
  })
  const audit = startLoop({
    name: 'audit-notes',
    run: () => services.auditNotes.run(),
    slowest: seconds(1), // nothing to write costs nothing
    clock,
    log,
  })
  const sweeper = startLoop({
    name: 'sweep-audit',
    run: () => sweepAudit(services, auditRetention),
    slowest: hours(24),
    clock,
    log,
  })
  const strays = startLoop({
    name: 'sweep-strays',
    run: straySweeper(services, sweepRules),
    slowest: hours(1),
    clock,
    log,
  })
  const leftOvers = startLoop({
    name: 'collect-left-overs',
    run: leftOverCollector(services, repositories),
    slowest: minutes(5),
    clock,
    log,
  })
  const history = startLoop({
    name: 'keep-history',
    run: () => historian.run(),
    slowest: seconds(10),
    giveWay,
    clock,
    log,
  })
  services.computes.onChange((_uid, { kind }) => {
    if (kind !== 'ready') return
    suspender.poke() // so that it knows when to look
    keeper.poke() // readers follow a writer that has just woken
  })
  const unlisten = catalog.onEvent((event) => {
    if (event.kind === 'due') {
      deadlines.poke()
      snapshots.poke()
      leases.poke()
      warner.poke()
    }
    if (event.kind === 'done') history.poke() // perhaps a branch, whose history begins now
    if (event.kind === 'access') {
      guard.lowered()
      access.poke()
    }
  })
  onStop(async () => {
    unlisten()
    const loops = [deadlines, snapshots, measures, suspender, keeper, history, notes, audit]
    loops.push(sweeper, access, strays, leftOvers, leases, warner, deliveries)
    await Promise.all(loops.map((loop) => loop.stop()))
  })
}
