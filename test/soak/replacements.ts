/**
 * Reset and restore while writers go on: the branch then holds what it was asked to, plus what was written
 * to it since; the previous state holds everything else. Whatever happens, it is one or the other.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { checkBank } from './bank.ts'
import { differences } from './branch-point.ts'
import type { Contents, Moment } from './history.ts'
import { Line, type Mark } from './line.ts'
import type { Random } from './random.ts'
import { isBeforeHistory, isExpected } from './refusals.ts'
import { divide } from './replaced.ts'
import { type LiveBranch, store, type World } from './world.ts'

/** What the new data must be. */
interface Origin {
  readonly line: Line
  readonly notBefore: Moment
  /** `undefined`: the end of the operation. */
  readonly notAfter: Moment | undefined
  readonly contents?: Contents | undefined
  /** Which the history of the branch may not reach. */
  readonly mark?: Mark
}

export async function reset(world: World, random: Random): Promise<string | undefined> {
  const sources = (branch: LiveBranch) => world.branches.get(branch.source ?? '')
  const resettable = [...world.branches.values()].filter((one) => sources(one) !== undefined)
  const branch = world.claim(resettable, random, 'alone')
  if (branch === undefined) return undefined
  try {
    const source = sources(branch)
    if (source === undefined) return undefined
    if (world.claim([source], random, 'shared') === undefined) return undefined
    try {
      const origin = { line: source.line, notBefore: world.now(), notAfter: undefined }
      return await replace(world, branch, origin, 'reset', {})
    } finally {
      world.release(source)
    }
  } finally {
    world.release(branch)
  }
}

/** To a snapshot of it. */
export async function restoreSnapshot(world: World, random: Random): Promise<string | undefined> {
  const own = [...world.snapshots.values()].filter(({ source }) => world.branches.has(source))
  const snapshot = world.claim(own, random, 'shared')
  if (snapshot === undefined) return undefined
  try {
    const source = world.branches.get(snapshot.source)
    const branch = world.claim(source === undefined ? [] : [source], random, 'alone')
    if (branch === undefined) return undefined
    try {
      return await replace(world, branch, snapshot, 'restore', { snapshot: snapshot.name })
    } finally {
      world.release(branch)
    }
  } finally {
    world.release(snapshot)
  }
}

/** To a point of its own history, by time or by position. */
export async function restorePoint(world: World, random: Random): Promise<string | undefined> {
  const marked = [...world.branches.values()].filter(({ line }) => line.marks.length > 0)
  const branch = world.claim(marked, random, 'alone')
  if (branch === undefined) return undefined
  try {
    const mark = random.pick(branch.line.marks)
    if (mark === undefined) return undefined
    const origin = { line: branch.line, notBefore: mark.before, notAfter: mark.after, mark }
    const point = random.chance(0.5) ? { time: mark.time } : { lsn: mark.lsn }
    return await replace(world, branch, origin, 'restore', point)
  } finally {
    world.release(branch)
  }
}

async function replace(
  world: World,
  branch: LiveBranch,
  origin: Origin,
  verb: 'reset' | 'restore',
  body: object,
): Promise<string> {
  const began = world.now()
  const address = await addressOf(world, branch)
  const ended = await world.keeper.write('POST', `${branch.name}/${verb}`, body)
  await settled(world, branch)
  const over = world.now()
  await branch.writers?.pause()
  try {
    const contents = await world.contentsOf(branch.name)
    world.problemsOf(branch.name, checkBank(contents))
    if (address !== (await addressOf(world, branch))) {
      world.problem(`${branch.name} has another address after its ${verb}`)
    }
    const asBefore = branch.line.checkPoint(contents, world.now(), world.now())
    if (ended.kind === 'refused') {
      world.problemsOf(`${branch.name}, whose ${verb} failed`, asBefore)
      if (
        origin.mark !== undefined &&
        (await isBeforeHistory(world, branch.name, origin.mark, ended))
      ) {
        return 'before its history'
      }
      if (!isExpected(ended)) {
        world.problem(`${verb} of ${branch.name}: ${ended.code}: ${ended.message}`)
      }
      return `refused ${ended.code}`
    }
    if (ended.kind === 'unheard' && asBefore.length === 0) return 'never accepted'
    await renew(world, branch, { ...origin, notAfter: origin.notAfter ?? over }, began, contents)
    return 'done'
  } finally {
    branch.writers?.resume()
  }
}

/** Nothing of it is under way any more, however it was accepted. */
async function settled(world: World, { name }: LiveBranch): Promise<void> {
  for (let look = 0; look < 2400; look += 1) {
    const { body } = await world.keeper.postgres(name)
    if (body.status.current_state === 'READY' && body.status.pending_state === undefined) return
    await delay(100)
  }
  throw new Error(`${name} does not come to rest`)
}

async function addressOf(world: World, { name }: LiveBranch): Promise<string> {
  const branch = await world.keeper.postgres(name)
  const endpoint = await world.keeper.postgres(`${name}/endpoints/primary`)
  return `${branch.body.uid} ${endpoint.body.uid} ${endpoint.body.status.hosts.host}`
}

/** A line ends and another begins. */
async function renew(
  world: World,
  branch: LiveBranch,
  origin: Origin & { readonly notAfter: Moment },
  began: Moment,
  contents: Contents,
): Promise<void> {
  const old = branch.line
  const { moved, before, wrong } = divide(old.transactions, began, contents)
  world.problemsOf(branch.name, wrong)
  world.problemsOf(
    `${branch.name}, replaced`,
    origin.line.checkPoint(before, origin.notBefore, origin.notAfter),
  )
  if (origin.contents !== undefined) {
    const { lists, ledger } = origin.contents
    const expected = { lists, ledger, balances: before.balances }
    world.problemsOf(`${branch.name}, replaced`, differences(expected, before))
  }
  old.replaced(began, moved)
  origin.line.observe(world.nextTransaction(), before, origin.notBefore, world.now())
  world.close(branch.name, old)
  branch.line = new Line(contents)
  await keepPrevious(world, branch, old)
}

async function keepPrevious(world: World, branch: LiveBranch, line: Line): Promise<void> {
  const { body } = await world.keeper.postgres(`${store}/snapshots?page_size=1000`)
  const kept = (body.snapshots ?? []).find(
    (one: { name: string; snapshot_id: string; status: { source_branch?: string } }) =>
      one.status.source_branch === branch.name &&
      one.snapshot_id.startsWith('before-') &&
      !world.previousStates.has(one.name),
  )
  if (kept === undefined) return world.problem(`the previous state of ${branch.name} is not kept`)
  world.previousStates.add(kept.name)
  const notBefore = world.now()
  world.snapshots.set(kept.name, {
    name: kept.name,
    source: branch.name,
    line,
    notBefore,
    notAfter: notBefore,
    contents: undefined,
    claims: 0,
  })
}
