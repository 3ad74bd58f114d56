/** The operations engine on a real catalog: what happens when things fail, die, wait and come back. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Fault } from '../../src/domain/faults.ts'
import type { OperationUid, ProjectUid } from '../../src/domain/names.ts'
import { type Clock, epochMs, millis, seconds, systemClock } from '../../src/lib/time.ts'
import { createEngine, type Engine } from '../../src/operations/engine.ts'
import type { Kind, Step } from '../../src/operations/kind.ts'
import type { Catalog, JsonObject } from '../../src/ports/catalog.ts'
import { startTestCatalog, type TestCatalog } from '../fixtures/test-catalog.ts'

let database: TestCatalog
let catalog: Catalog
const engines: Engine[] = []
let lastUid = 0

beforeAll(async () => {
  database = await startTestCatalog()
  catalog = await database.open()
})
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.stop()
  await database.sql('delete from operations')
})
afterAll(async () => {
  await database?.dispose()
})

async function startEngine(kinds: readonly Kind[], clock: Clock = systemClock): Promise<Engine> {
  const engine = createEngine({ catalog, kinds, clock, log: database.log })
  engines.push(engine)
  await engine.start()
  return engine
}

async function insert(
  kind: string,
  keys: readonly string[] = [],
  input: JsonObject = {},
): Promise<OperationUid> {
  lastUid += 1
  const uid = `op-${lastUid}` as OperationUid
  await catalog.work.insert({
    uid,
    kind,
    resource: 'projects/store',
    subject: 'Project',
    projectUid: 'p' as ProjectUid,
    callerUid: undefined,
    keys,
    input,
    createTime: systemClock.now(),
  })
  return uid
}

/** The end of an operation, by the engine's own `wait`. */
async function outcomeOf(engine: Engine, uid: OperationUid) {
  for (let waits = 0; waits < 60; waits += 1) {
    const over = engine.wait(uid, seconds(1))
    // A test that ends all connections may end this one too.
    const found = await catalog.work.byUid(uid).catch(() => 'lost' as const)
    if (found === undefined) throw new Error(`operation ${uid} is gone`)
    if (found !== 'lost' && found.outcome.kind !== 'pending') return found.outcome
    await over
  }
  throw new Error(`operation ${uid} does not end`)
}

const kindOf = (
  name: string,
  steps: readonly Step[],
  more: Partial<Pick<Kind, 'onFailure' | 'finish' | 'isCancellable'>> = {},
): Kind => ({ name, steps, onFailure: 'undo', finish: async () => ({}), ...more })

/** A step that tells what is done to it. */
const told = (events: string[], name: string, run: Step['run'] = async () => undefined): Step => ({
  name,
  async run(context, signal) {
    events.push(name)
    await run(context, signal)
  },
  async undo() {
    events.push(`undo ${name}`)
  },
})

/** Waits a hundredth of what it should: for the patience of a stop. */
const hasty: Clock = {
  ...systemClock,
  sleep: (length, signal) => systemClock.sleep(millis(length / 100), signal),
}

const succeeded = { kind: 'succeeded', response: {} }

/** Something that a step waits for and a test lets happen. */
function gate() {
  let open: () => void = () => undefined
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open }
}

describe('operations', () => {
  test('that share a key run one after another, in the order in which they were accepted', async () => {
    const running = new Set<string>()
    const order: unknown[] = []
    let most = 0
    const engine = await startEngine([
      kindOf('note', [
        told([], 'note', async ({ row }) => {
          running.add(row.uid)
          most = Math.max(most, running.size)
          await delay(2)
          order.push(row.input.n)
          running.delete(row.uid)
        }),
      ]),
    ])
    const uids: OperationUid[] = []
    for (let n = 0; n < 50; n += 1) uids.push(await insert('note', ['one key'], { n }))
    for (const uid of uids) expect(await outcomeOf(engine, uid)).toEqual(succeeded)
    expect(order).toEqual(uids.map((_, n) => n))
    expect(most).toBe(1)
  })

  test('with different keys run beside each other, one of two keys waits for both', async () => {
    const order: string[] = []
    const both = gate()
    let begun = 0
    const engine = await startEngine([
      kindOf('meet', [
        told([], 'meet', async () => {
          begun += 1
          if (begun === 2) both.open()
          await both.passed
          order.push('meet')
        }),
      ]),
      kindOf('last', [told(order, 'last')]),
    ])
    await insert('meet', ['a'])
    await insert('meet', ['b'])
    expect(await outcomeOf(engine, await insert('last', ['b', 'a']))).toEqual(succeeded)
    expect(order).toEqual(['meet', 'meet', 'last'])
  })

  test('hand what a step found out to the later ones, and the answer to the client', async () => {
    const engine = await startEngine([
      kindOf(
        'count',
        [
          told([], 'first', async (context) => {
            context.memory = { ...context.memory, n: 41 }
          }),
          told([], 'second', async (context) => {
            context.memory = { ...context.memory, n: Number(context.memory.n) + 1 }
          }),
        ],
        { finish: async ({ memory }) => ({ n: memory.n ?? 0 }) },
      ),
    ])
    expect(await outcomeOf(engine, await insert('count'))).toEqual({
      kind: 'succeeded',
      response: { n: 42 },
    })
  })

  test('of a kind that is gone wait for a version that knows it', async () => {
    const engine = await startEngine([])
    const uid = await insert('of the future')
    await engine.wait(uid, millis(100))
    expect((await catalog.work.byUid(uid))?.outcome).toEqual({ kind: 'pending' })
  })
})

describe('a step that fails', () => {
  test('with a refusal: every step is undone backwards, at once, and the refusal is the outcome', async () => {
    const events: string[] = []
    const engine = await startEngine([
      kindOf('make', [
        told(events, 'a'),
        told(events, 'b', async () => {
          throw new Fault('STORAGE_FULL')
        }),
        told(events, 'c'),
      ]),
    ])
    expect(await outcomeOf(engine, await insert('make'))).toMatchObject({
      kind: 'failed',
      fault: { reason: 'STORAGE_FULL' },
    })
    expect(events).toEqual(['a', 'b', 'undo c', 'undo b', 'undo a'])
  })

  test('for an unexpected reason that passes: it is tried again, nothing is undone', async () => {
    const events: string[] = []
    const engine = await startEngine([
      kindOf('make', [
        told(events, 'a'),
        told(events, 'b', async ({ row }) => {
          if (row.attempt < 3) throw new Error('the catalog was away')
        }),
      ]),
    ])
    expect(await outcomeOf(engine, await insert('make'))).toEqual(succeeded)
    expect(events).toEqual(['a', 'b', 'b', 'b'])
  })

  test('for an unexpected reason that stays: it is undone in the end', async () => {
    const events: string[] = []
    const engine = await startEngine([
      kindOf('make', [
        told(events, 'a', async () => {
          throw new Error('broken')
        }),
      ]),
    ])
    expect(await outcomeOf(engine, await insert('make'))).toMatchObject({
      kind: 'failed',
      fault: { reason: 'INTERNAL' },
    })
    expect(events).toEqual(['a', 'a', 'a', 'undo a'])
  })

  test('of work that must end: it is tried again until it does, from where it was', async () => {
    const events: string[] = []
    const engine = await startEngine([
      kindOf(
        'remove',
        [
          told(events, 'close'),
          told(events, 'erase', async ({ row }) => {
            if (row.attempt < 4) throw new Fault('STORAGE_UNAVAILABLE')
          }),
        ],
        { onFailure: 'retry' },
      ),
    ])
    expect(await outcomeOf(engine, await insert('remove'))).toEqual(succeeded)
    expect(events).toEqual(['close', 'erase', 'erase', 'erase', 'erase'])
  })

  test('while it is undone: the undo goes on from there', async () => {
    const events: string[] = []
    let failures = 0
    const engine = await startEngine([
      kindOf('make', [
        {
          ...told(events, 'a', async () => undefined),
          async undo() {
            events.push('undo a')
            failures += 1
            if (failures < 3) throw new Error('not yet')
          },
        },
        told(events, 'b', async () => {
          throw new Fault('STORAGE_FULL')
        }),
      ]),
    ])
    expect(await outcomeOf(engine, await insert('make'))).toMatchObject({ kind: 'failed' })
    expect(events).toEqual(['a', 'b', 'undo b', 'undo a', 'undo a', 'undo a'])
  })
})

describe('what is finished', () => {
  test('is not undone when its answer cannot be made at first', async () => {
    const events: string[] = []
    let answers = 0
    const engine = await startEngine([
      kindOf('make', [told(events, 'a')], {
        finish: async () => {
          answers += 1
          if (answers === 1) throw new Error('the catalog was away')
          return {}
        },
      }),
    ])
    expect(await outcomeOf(engine, await insert('make'))).toEqual(succeeded)
    expect(events).toEqual(['a'])
  })

  test('never changes again, not even by the worker that finished it', async () => {
    await insert('make')
    const now = systemClock.now()
    const [lease] = await catalog.work.claim(now, {
      until: epochMs(now + 30_000),
      latest: epochMs(now + 60_000),
      limit: 16,
    })
    if (lease === undefined) throw new Error('nothing was claimed')
    expect(await catalog.work.save(lease, { state: 'succeeded', response: {} })).toBe(true)
    // The answer to that save may have been lost; what a confused worker does next changes nothing.
    const fault = { reason: 'INTERNAL', facts: {} } as const
    expect(await catalog.work.save(lease, { state: 'undoing', fault })).toBe(false)
    expect(await catalog.work.renew(lease, epochMs(now + 60_000))).toBe(false)
    expect((await catalog.work.byUid(lease.row.uid))?.outcome).toEqual(succeeded)
  })

  test('but refuses to answer is failed, and its keys are free', async () => {
    const engine = await startEngine([
      kindOf('show', [told([], 'a')], {
        onFailure: 'retry',
        finish: async () => {
          throw new Fault('BRANCH_NOT_FOUND')
        },
      }),
      kindOf('next', []),
    ])
    const uid = await insert('show', ['k'])
    expect(await outcomeOf(engine, await insert('next', ['k']))).toEqual(succeeded)
    expect(await outcomeOf(engine, uid)).toMatchObject({ fault: { reason: 'BRANCH_NOT_FOUND' } })
  })
})

describe('a server that dies', () => {
  test('in a step: the next one goes on from the last finished step, and the dead one changes nothing', async () => {
    const events: string[] = []
    const late = gate()
    const reached = gate()
    const kind = (isFirst: boolean) =>
      kindOf('make', [
        told(events, 'a', async (context) => {
          context.memory = { from: isFirst ? 'first' : 'second' }
        }),
        told(events, 'b', async (context) => {
          if (!isFirst) return
          reached.open()
          await late.passed
          context.memory = { from: 'the dead' }
        }),
        told(events, 'c'),
      ])
    const answering = (isFirst: boolean): Kind => ({
      ...kind(isFirst),
      finish: async ({ memory }) => memory,
    })
    const first = await startEngine([answering(true)])
    const uid = await insert('make')
    await reached.passed
    const second = await startEngine([answering(false)])
    expect(await outcomeOf(second, uid)).toEqual({
      kind: 'succeeded',
      response: { from: 'first' },
    })
    late.open()
    await first.stop()
    expect(events).toEqual(['a', 'b', 'b', 'c'])
    expect((await catalog.work.byUid(uid))?.outcome).toMatchObject({ response: { from: 'first' } })
  })

  test('in an undo: the next one undoes the rest', async () => {
    const events: string[] = []
    const reached = gate()
    const kind = (isFirst: boolean) =>
      kindOf('make', [
        {
          ...told(events, 'a'),
          async undo() {
            events.push('undo a')
            if (!isFirst) return
            reached.open()
            await new Promise(() => undefined)
          },
        },
        told(events, 'b', async () => {
          throw new Fault('STORAGE_FULL')
        }),
      ])
    const dead = createEngine({ catalog, kinds: [kind(true)], clock: hasty, log: database.log })
    await dead.start()
    const uid = await insert('make')
    await reached.passed
    await dead.stop() // takes no more work; its worker hangs for ever
    const second = await startEngine([kind(false)])
    expect(await outcomeOf(second, uid)).toMatchObject({ fault: { reason: 'STORAGE_FULL' } })
    expect(events).toEqual(['a', 'b', 'undo b', 'undo a', 'undo a'])
  })

  test('again and again over one operation: it is undone instead of begun a sixth time', async () => {
    const events: string[] = []
    const uid = await insert('make')
    await database.sql("update operations set attempt = 5, state = 'running', step = 'a'")
    const engine = await startEngine([kindOf('make', [told(events, 'a'), told(events, 'b')])])
    expect(await outcomeOf(engine, uid)).toMatchObject({ fault: { reason: 'INTERNAL' } })
    expect(events).toEqual(['undo b', 'undo a'])
  })

  test('again and again before the answer only: it is answered', async () => {
    const events: string[] = []
    const uid = await insert('make')
    await database.sql("update operations set attempt = 9, state = 'running', step = 'b'")
    const engine = await startEngine([kindOf('make', [told(events, 'a'), told(events, 'b')])])
    expect(await outcomeOf(engine, uid)).toEqual(succeeded)
    expect(events).toEqual([])
  })
})

describe('a catalog that is away', () => {
  const endSessions = () =>
    database.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = 'lakelet' and application_name <> 'test'`,
    )

  test('for a moment, all connections lost: no operation is lost, undone or told wrong', async () => {
    const events: string[] = []
    const uids = [await insert('make', ['k']), await insert('make', ['k'])]
    const engine = await startEngine([
      kindOf('make', [
        told(events, 'a', async () => {
          await endSessions()
        }),
        told(events, 'b', async () => {
          await endSessions()
          await catalog.projects.count() // may well fail
        }),
      ]),
    ])
    for (const uid of uids) expect(await outcomeOf(engine, uid)).toEqual(succeeded)
    expect(events.filter((event) => event.startsWith('undo'))).toEqual([])
  })

  test('until it was started again: the engine goes on', async () => {
    const engine = await startEngine([kindOf('make', [told([], 'a', () => delay(200))])])
    const uid = await insert('make')
    await database.computes.stop(database.spec.uid, 'immediate')
    await delay(1500)
    await database.computes.ensureReady(database.spec)
    expect(await outcomeOf(engine, uid)).toEqual(succeeded)
  })
})

describe('a machine that slept', () => {
  test('longer than the lease: one worker at a time, and the work is done', async () => {
    let ahead = 0
    const clock: Clock = { ...systemClock, now: () => epochMs(systemClock.now() + ahead) }
    let now = 0
    let most = 0
    const reached = gate()
    const slow = gate()
    const engine = await startEngine(
      [
        kindOf('make', [
          told([], 'a', async () => {
            now += 1
            most = Math.max(most, now)
            reached.open()
            await slow.passed
            now -= 1
          }),
        ]),
        kindOf('other', []),
      ],
      clock,
    )
    const uid = await insert('make')
    await reached.passed
    ahead = 3_600_000
    // Makes the engine look for work: it finds its own row with a lease long past.
    expect(await outcomeOf(engine, await insert('other'))).toEqual(succeeded)
    const [row] = await database.sql('select lease_token from operations where uid = $1', [uid])
    expect(row.lease_token).toBe(2)
    slow.open()
    expect(await outcomeOf(engine, uid)).toEqual(succeeded)
    expect(most).toBe(1)
  })
})

describe('a clock that is set back', () => {
  test('puts nothing off: what was to be tried again in a moment is, and dead leases are void', async () => {
    let behind = 0
    const clock: Clock = { ...systemClock, now: () => epochMs(systemClock.now() - behind) }
    let tries = 0
    let tellLeased: () => void = () => undefined
    const isLeased = new Promise<void>((resolve) => {
      tellLeased = resolve
    })
    const stubborn = kindOf('stubborn', [
      {
        name: 'try',
        run: async () => {
          tries += 1
          await isLeased
          behind = 3_600_000 // from the first try on
          if (tries < 3) throw new Error('not yet')
        },
      },
    ])
    const engine = await startEngine([stubborn, kindOf('held', [told([], 'work')])], clock)
    const put = await insert('stubborn', ['key'])
    // Behind it, claimed by a worker of this server that could not write down how it ended.
    const lost = await insert('held', ['key'])
    await database.sql(
      `update operations set state = 'running', lease_token = 1,
         lease_until = to_timestamp(${(systemClock.now() + 30_000) / 1000}) where uid = '${lost}'`,
    )
    tellLeased()
    expect(await outcomeOf(engine, put)).toMatchObject({ kind: 'succeeded' })
    expect(tries).toBe(3)
    expect(await outcomeOf(engine, lost)).toMatchObject({ kind: 'succeeded' })
  })
})

describe('stopping', () => {
  test('takes no more work and leaves what hangs to the next start', async () => {
    const reached = gate()
    const stuck = createEngine({
      catalog,
      kinds: [
        kindOf('make', [
          told([], 'a', async () => {
            reached.open()
            await new Promise(() => undefined)
          }),
        ]),
      ],
      clock: hasty,
      log: database.log,
    })
    await stuck.start()
    const uid = await insert('make')
    await reached.passed
    await stuck.stop()
    await insert('make')
    const engine = await startEngine([kindOf('make', [told([], 'a')])])
    expect(await outcomeOf(engine, uid)).toEqual(succeeded)
  })
})

describe('waiting', () => {
  test('ends with the operation for all who wait, or with the patience', async () => {
    const slow = gate()
    const engine = await startEngine([kindOf('make', [told([], 'a', () => slow.passed)])])
    const uid = await insert('make')
    await engine.wait(uid, millis(50))
    expect((await catalog.work.byUid(uid))?.outcome.kind).toBe('pending')
    const waits = [engine.wait(uid, seconds(30)), engine.wait(uid, seconds(30))]
    slow.open()
    await Promise.all(waits)
    expect((await catalog.work.byUid(uid))?.outcome.kind).toBe('succeeded')
    await engine.wait('unknown' as OperationUid, millis(10))
  })
})

describe('operations that are cancelled', () => {
  const waits: Step['run'] = async (_, signal) => {
    await delay(60_000, undefined, { signal })
  }
  const cancellable = { isCancellable: true } as const
  const ended = { kind: 'failed', fault: { reason: 'OPERATION_CANCELLED', facts: {} } }

  test('end in the middle of a step, and are undone', async () => {
    const events: string[] = []
    const steps = [told(events, 'one'), told(events, 'two', waits)]
    const engine = await startEngine([kindOf('long', steps, cancellable)])
    const uid = await insert('long')
    for (let looks = 0; looks < 100 && events.length < 2; looks += 1) await delay(20)
    expect(await catalog.work.cancel(uid, systemClock.now())).toBe(true)
    expect(await outcomeOf(engine, uid)).toEqual(ended)
    expect(events).toEqual(['one', 'two', 'undo two', 'undo one'])
    expect(await catalog.work.cancel(uid, systemClock.now())).toBe(false)
  })

  test('before they begin, or while no server is there, never begin again', async () => {
    const events: string[] = []
    const uid = await insert('long')
    expect(await catalog.work.cancel(uid, systemClock.now())).toBe(true)
    const engine = await startEngine([kindOf('long', [told(events, 'one')], cancellable)])
    expect(engine.isCancellable('long')).toBe(true)
    expect(await outcomeOf(engine, uid)).toEqual(ended)
    expect(events).toEqual(['undo one'])
  })

  test('of a kind that cannot be go on', async () => {
    const uid = await insert('short')
    await catalog.work.cancel(uid, systemClock.now())
    const engine = await startEngine([kindOf('short', [told([], 'one')])])
    expect(engine.isCancellable('short')).toBe(false)
    expect(await outcomeOf(engine, uid)).toMatchObject({ kind: 'succeeded' })
  })
})

test('an operation reports, and what it reported is kept for whoever goes on', async () => {
  const seen: unknown[] = []
  const step: Step = {
    name: 'one',
    async run(context) {
      seen.push(context.memory.at)
      context.memory = { at: 'half' }
      await context.report({ done: 1, of: 2 })
      if (seen.length === 1) throw new Error('once')
    },
  }
  const engine = await startEngine([kindOf('telling', [step])])
  const uid = await insert('telling')
  expect(await outcomeOf(engine, uid)).toMatchObject({ kind: 'succeeded' })
  expect(seen).toEqual([undefined, 'half'])
  expect((await catalog.work.byUid(uid))?.report).toEqual({ done: 1, of: 2 })
})

describe('a step that writes', () => {
  const writes = (last: Step, finish?: Kind['finish']): Kind =>
    kindOf(
      'write',
      [
        {
          name: 'first',
          async write(context, session) {
            context.memory = { n: 1 }
            await session.notes.set('first', 'written')
          },
          undo: () => catalog.notes.set('first', 'undone'),
        },
        last,
      ],
      finish === undefined ? {} : { finish },
    )

  test('is written with what says that it is done, and the last one with the end', async () => {
    const seen: unknown[] = []
    const engine = await startEngine([
      writes(
        {
          name: 'last',
          async write({ row, memory }, session) {
            await session.notes.set('last', `after ${memory.n}`)
            // As others see it while it writes.
            seen.push(
              (await catalog.work.byUid(row.uid))?.outcome.kind,
              await catalog.notes.get('last'),
            )
          },
        },
        async (_context, session) => ({ note: (await session.notes.get('last')) ?? '' }),
      ),
    ])
    expect(await outcomeOf(engine, await insert('write'))).toEqual({
      kind: 'succeeded',
      response: { note: 'after 1' },
    })
    expect(seen).toEqual(['pending', undefined])
    expect(await catalog.notes.get('last')).toBe('after 1')
  })

  test('writes nothing when the answer is a refusal, and all is undone', async () => {
    const engine = await startEngine([
      writes(
        { name: 'last', write: async (_, session) => session.notes.set('refused', 'written') },
        async () => {
          throw new Fault('BRANCH_NOT_FOUND')
        },
      ),
    ])
    expect(await outcomeOf(engine, await insert('write'))).toMatchObject({
      kind: 'failed',
      fault: { reason: 'BRANCH_NOT_FOUND' },
    })
    expect(await catalog.notes.get('refused')).toBeUndefined()
    expect(await catalog.notes.get('first')).toBe('undone')
  })

  test('writes nothing once another worker has its operation', async () => {
    const engine = await startEngine([
      writes({
        name: 'last',
        async write({ row }, session) {
          if (row.attempt > 1) return
          await session.notes.set('of the dead', 'written')
          await database.sql(`update operations set lease_token = lease_token + 1, lease_until = null
            where uid = '${row.uid}'`)
        },
      }),
    ])
    expect(await outcomeOf(engine, await insert('write'))).toEqual(succeeded)
    expect(await catalog.notes.get('of the dead')).toBeUndefined()
  })
})
