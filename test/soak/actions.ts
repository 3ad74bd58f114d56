/**
 * What is done to branches while they are written to. Each is one entry of the table: it claims what it
 * needs, does one thing, compares what came of it, and answers with how it ended, for the tally.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { differences } from './branch-point.ts'
import type { Ended } from './keeper.ts'
import type { Random } from './random.ts'
import { isBeforeHistory, isExpected } from './refusals.ts'
import { reset, restorePoint, restoreSnapshot } from './replacements.ts'
import { type LiveBranch, store, type TakenSnapshot, type World } from './world.ts'

export interface Action {
  readonly name: string
  readonly weight: number
  /** How it ended; `undefined`: there was nothing to do it to. */
  run(world: World, random: Random): Promise<string | undefined>
}

/** Branches and snapshots at once. */
const branchesAtOnce = 8
const snapshotsAtOnce = 3

const claimedBranch =
  (
    how: 'shared' | 'alone',
    choices: (world: World) => Iterable<LiveBranch>,
    work: (world: World, branch: LiveBranch, random: Random) => Promise<string>,
  ): Action['run'] =>
  async (world, random) => {
    const branch = world.claim(choices(world), random, how)
    if (branch === undefined) return undefined
    try {
      return await work(world, branch, random)
    } finally {
      world.release(branch)
    }
  }

const anyBranch = (world: World) => world.branches.values()
const onlyWithRoom = (world: World) =>
  world.branches.size < branchesAtOnce ? world.branches.values() : []

/** Faults are about, so a create may fail; then nothing may be left of it. */
async function refusedCreate(
  world: World,
  name: string,
  ended: Exclude<Ended, { kind: 'done' }>,
): Promise<string> {
  if (ended.kind === 'refused') {
    if (!isExpected(ended)) {
      world.problem(`${name}: ${ended.code}: ${ended.message}`)
    }
    if ((await world.keeper.postgres(name)).status !== 404) {
      world.problem(`${name} is there, though its create ended with ${ended.code}`)
    }
  }
  return ended.kind === 'refused' ? `refused ${ended.code}` : 'never accepted'
}

/** A create whose answer was not heard was accepted, or not: then the name stays free. */
async function cameToBe(world: World, name: string, ended: Ended): Promise<boolean> {
  if (ended.kind !== 'unheard') return ended.kind === 'done'
  for (let look = 0; look < 2400; look += 1) {
    const { status, body } = await world.keeper.postgres(name)
    if (status === 404) return false
    const isMade = name.includes('/snapshots/') || body.status.current_state === 'READY'
    if (isMade && body.status.pending_state === undefined) return true
    await delay(100)
  }
  throw new Error(`${name} neither comes to be nor goes`)
}

const branchNow = claimedBranch('shared', onlyWithRoom, async (world, source, random) => {
  const id = world.freshId('branch')
  const name = `${store}/branches/${id}`
  const end = random.chance(0.5) ? { ttl: '7200s' } : { no_expiry: true }
  const { line } = source
  const notBefore = world.now()
  const ended = await world.keeper.write('POST', `${store}/branches?branch_id=${id}`, {
    spec: { source_branch: source.name, ...end },
  })
  if (!(await cameToBe(world, name, ended))) {
    return ended.kind === 'done' ? 'gone' : refusedCreate(world, name, ended)
  }
  await world.welcome({ name, source: source.name, line, notBefore, notAfter: world.now() })
  return 'done'
})

const takeSnapshot = claimedBranch(
  'shared',
  (world) => (world.snapshots.size < snapshotsAtOnce ? world.branches.values() : []),
  async (world, source) => {
    const id = world.freshId('snapshot')
    const name = `${store}/snapshots/${id}`
    const { line } = source
    const notBefore = world.now()
    const ended = await world.keeper.write('POST', `${store}/snapshots?snapshot_id=${id}`, {
      spec: { source_branch: source.name, no_expiry: true },
    })
    // Not shown before it was taken, so one that was not heard of may still come; it is given up.
    if (ended.kind === 'unheard') return 'never heard of'
    if (ended.kind !== 'done') return refusedCreate(world, name, ended)
    const notAfter = world.now()
    world.snapshots.set(name, {
      name,
      source: source.name,
      line,
      notBefore,
      notAfter,
      contents: undefined,
      claims: 0,
    })
    return 'done'
  },
)

const claimedSnapshot =
  (
    how: 'shared' | 'alone',
    work: (world: World, snapshot: TakenSnapshot) => Promise<string>,
  ): Action['run'] =>
  async (world, random) => {
    if (how === 'shared' && world.branches.size >= branchesAtOnce) return undefined
    const snapshot = world.claim(world.snapshots.values(), random, how)
    if (snapshot === undefined) return undefined
    try {
      return await work(world, snapshot)
    } finally {
      world.release(snapshot)
    }
  }

export async function branchOfSnapshot(world: World, snapshot: TakenSnapshot): Promise<string> {
  const id = world.freshId('branch')
  const name = `${store}/branches/${id}`
  const ended = await world.keeper.write('POST', `${store}/branches?branch_id=${id}`, {
    spec: { source_snapshot: snapshot.name, no_expiry: true },
  })
  if (!(await cameToBe(world, name, ended))) {
    return ended.kind === 'done' ? 'gone' : refusedCreate(world, name, ended)
  }
  const made = { ...snapshot, name, source: snapshot.name }
  const contents = await world.welcome(made, snapshot.contents)
  snapshot.contents ??= contents
  world.problemsOf(snapshot.name, snapshot.line.check()) // its branch may be gone
  return 'done'
}

const deleteSnapshot = claimedSnapshot('alone', async (world, snapshot) => {
  const ended = await world.keeper.insist('DELETE', `${snapshot.name}?allow_missing=true`)
  if (ended.kind !== 'done') world.problem(`${snapshot.name} is not deleted: ${say(ended)}`)
  world.snapshots.delete(snapshot.name)
  return 'done'
})

const say = (ended: Ended): string =>
  ended.kind === 'refused' ? `${ended.code}: ${ended.message}` : ended.kind

const purge = claimedBranch(
  'alone',
  (world) => world.leaves(),
  async (world, branch) => {
    await world.lastLook(branch)
    const ended = await world.keeper.insist(
      'DELETE',
      `${branch.name}?purge=true&allow_missing=true`,
    )
    world.branches.delete(branch.name) // until now its source has a child
    if (ended.kind !== 'done') world.problem(`${branch.name} is not purged: ${say(ended)}`)
    return 'done'
  },
)

/** And back: it must be what it was. */
const undelete = claimedBranch(
  'alone',
  (world) => world.leaves(),
  async (world, branch) => {
    const before = await world.lastLook(branch)
    const gone = await world.keeper.insist('DELETE', `${branch.name}?allow_missing=true`)
    if (gone.kind !== 'done') world.problem(`${branch.name} is not deleted: ${say(gone)}`)
    const back = await world.keeper.insist('POST', `${branch.name}/undelete`, {})
    const isBack = back.kind === 'done' || (await world.keeper.postgres(branch.name)).status === 200
    if (!isBack) {
      world.problem(`${branch.name} does not come back: ${say(back)}`)
      world.branches.delete(branch.name)
      return 'lost'
    }
    world.problemsOf(branch.name, differences(before, await world.contentsOf(branch.name)))
    world.add(branch.name, branch.source, before)
    return 'done'
  },
)

const expire = claimedBranch(
  'alone',
  (world) => world.leaves(),
  async (world, branch) => {
    // Its writers go on until it is gone; what it held is compared before.
    await branch.writers?.pause()
    await world.look(branch)
    branch.writers?.resume()
    const at = new Date(Date.now() + 3000).toISOString()
    const ended = await world.keeper.insist(
      'PATCH',
      `${branch.name}?update_mask=spec.expire_time`,
      {
        spec: { expire_time: at },
      },
    )
    if (ended.kind === 'refused' && ended.code !== 'NOT_FOUND') {
      // Repeated after a fault it may lie in the past.
      if (Date.parse(at) > Date.now()) world.problem(`${branch.name} does not end: ${say(ended)}`)
      return `refused ${ended.code}`
    }
    const patience = Date.now() + 240_000
    while ((await world.keeper.postgres(branch.name)).status !== 404) {
      if (Date.now() > patience) world.problem(`${branch.name} has outlived its end, ${at}`)
      if (world.problems.length > 0) break
      await delay(200)
    }
    world.branches.delete(branch.name)
    await branch.writers?.end()
    return 'done'
  },
)

/** A moment of it is noted, as Postgres names it. */
const mark = claimedBranch('shared', anyBranch, async (world, { name, line }) => {
  const noted = await world.keeper.session(name, async (client) => {
    const before = world.now()
    const { rows } = await client.query(
      `select pg_current_wal_flush_lsn()::text as lsn,
         to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time`,
    )
    return { ...rows[0], before, after: world.now() }
  })
  line.marks.push(noted)
  return 'done'
})

const branchAtPoint = claimedBranch('shared', onlyWithRoom, async (world, source, random) => {
  const { line } = source
  const noted = random.pick(line.marks)
  if (noted === undefined) return 'no mark yet'
  const id = world.freshId('branch')
  const name = `${store}/branches/${id}`
  const point = random.chance(0.5)
    ? { source_branch_time: noted.time }
    : { source_branch_lsn: noted.lsn }
  const ended = await world.keeper.write('POST', `${store}/branches?branch_id=${id}`, {
    spec: { source_branch: source.name, no_expiry: true, ...point },
  })
  if (await isBeforeHistory(world, source.name, noted, ended)) return 'before its history'
  if (!(await cameToBe(world, name, ended))) {
    return ended.kind === 'done' ? 'gone' : refusedCreate(world, name, ended)
  }
  const { before: notBefore, after: notAfter } = noted
  await world.welcome({ name, source: source.name, line, notBefore, notAfter })
  return 'done'
})

/** The endpoint is switched off and on again; whoever connects then wakes it. */
const suspend = claimedBranch('alone', anyBranch, async (world, branch) => {
  const path = `${branch.name}/endpoints/primary?update_mask=spec.disabled`
  for (const disabled of [true, false]) {
    const ended = await world.keeper.insist('PATCH', path, { spec: { disabled } })
    if (ended.kind !== 'done') world.problem(`${branch.name}: ${say(ended)}`)
  }
  return 'done'
})

const reader = claimedBranch('shared', anyBranch, async (world, branch) => {
  const id = world.freshId('reader')
  const name = `${branch.name}/endpoints/${id}`
  const ended = await world.keeper.write('POST', `${branch.name}/endpoints?endpoint_id=${id}`, {
    spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' },
  })
  if (!(await cameToBeReader(world, name, ended))) {
    return ended.kind === 'done' ? 'gone' : refusedCreate(world, name, ended)
  }
  const begin = world.now()
  const contents = await world.contentsOf(branch.name, id)
  const end = world.now()
  world.problemsOf(name, branch.line.checkPoint(contents, begin, end))
  branch.line.observe(world.nextTransaction(), contents, begin, end)
  const gone = await world.keeper.insist('DELETE', `${name}?allow_missing=true`)
  if (gone.kind !== 'done') world.problem(`${name} is not deleted: ${say(gone)}`)
  return 'done'
})

async function cameToBeReader(world: World, name: string, ended: Ended): Promise<boolean> {
  if (ended.kind !== 'unheard') return ended.kind === 'done'
  for (let look = 0; look < 2400; look += 1) {
    const { status, body } = await world.keeper.postgres(name)
    if (status === 404) return false
    if (body.status.current_state !== 'INIT' && body.status.pending_state === undefined) return true
    await delay(100)
  }
  throw new Error(`${name} neither comes to be nor goes`)
}

export const actions: readonly Action[] = [
  { name: 'branch', weight: 8, run: branchNow },
  { name: 'mark', weight: 6, run: mark },
  { name: 'branch at a point', weight: 6, run: branchAtPoint },
  { name: 'reset', weight: 4, run: reset },
  { name: 'restore to a snapshot', weight: 2, run: restoreSnapshot },
  { name: 'restore to a point', weight: 2, run: restorePoint },
  { name: 'snapshot', weight: 2, run: takeSnapshot },
  { name: 'branch of a snapshot', weight: 3, run: claimedSnapshot('shared', branchOfSnapshot) },
  { name: 'delete a snapshot', weight: 1, run: deleteSnapshot },
  { name: 'purge', weight: 4, run: purge },
  { name: 'delete and undelete', weight: 2, run: undelete },
  { name: 'expire', weight: 2, run: expire },
  { name: 'suspend', weight: 2, run: suspend },
  { name: 'reader', weight: 2, run: reader },
]
