/** The audit log on a real Postgres: it cannot be changed, its numbers have no gaps, its chain tells. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { AuditEntry } from '../../src/domain/audit.ts'
import type { ProjectUid } from '../../src/domain/names.ts'
import { days, type EpochMs, epochMs, hours, type Millis, systemClock } from '../../src/lib/time.ts'
import type { AuditQuery } from '../../src/ports/audit.ts'
import type { Catalog } from '../../src/ports/catalog.ts'
import { sweepAudit } from '../../src/reconcile/sweep-audit.ts'
import { startTestCatalog, type TestCatalog } from '../fixtures/test-catalog.ts'

let database: TestCatalog
let catalog: Catalog
const start = epochMs(Date.UTC(2026, 0, 1))
const later = (moment: EpochMs, length: Millis) => epochMs(moment + length)

beforeAll(async () => {
  database = await startTestCatalog()
  catalog = await database.open()
})
/** As somebody with the rights of the owner would, and has to, get around the triggers. */
const tamper = (text: string) =>
  database.sql(`
    alter table audit disable trigger all; ${text};
    alter table audit enable always trigger audit_append;
    alter table audit enable always trigger audit_keep;
    alter table audit enable always trigger audit_keep_row`)
beforeEach(async () => {
  await tamper('truncate audit')
})
afterAll(async () => {
  await database?.dispose()
})

const entry = (action: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  time: start,
  action,
  resource: 'projects/app/branches/dev',
  actor: { kind: 'USER', uid: '1', name: 'Ann@example.com' },
  origin: { remoteAddress: '127.0.0.1', userAgent: 'test' },
  result: 'succeeded',
  changed: [],
  details: {},
  count: 1,
  ...more,
})
const append = (...lines: readonly AuditEntry[]) =>
  catalog.transaction(async ({ audit }) => {
    for (const line of lines) await audit.append(line)
  })
const everything: AuditQuery = {
  project: undefined,
  who: undefined,
  action: undefined,
  resource: undefined,
  result: undefined,
  from: undefined,
  to: undefined,
  before: undefined,
  after: undefined,
  limit: 1000,
}
const list = async (query: Partial<AuditQuery> = {}) =>
  catalog.audit.list({ ...everything, ...query })
const actions = async (query: Partial<AuditQuery>) =>
  (await list(query)).map(({ action }) => action)

describe('a line', () => {
  test('comes back as it was written, newest first', async () => {
    const full = entry('create-branch', {
      resourceUid: 'br-1',
      projectUid: 'p-1',
      actor: { kind: 'SERVICE_PRINCIPAL', uid: '2', name: 'robot', agent: 'codex' },
      origin: { remoteAddress: '::1', userAgent: 'x', requestId: 'r', traceId: 't' },
      result: 'refused',
      reason: 'BRANCH_EXISTS',
      operation: 'projects/app/branches/dev/operations/1',
      changed: ['ttl'],
      details: { purge: true, tables: ['a', 'b'], n: 1 },
      count: 7,
    })
    await append(entry('first'), full)
    expect(await list()).toEqual([
      { seq: 2, ...full },
      { seq: 1, ...entry('first') },
    ])
  })

  test('holds no more of a stranger’s text than fits, and no control characters', async () => {
    await append(
      entry('login', {
        actor: { kind: 'UNKNOWN', name: `\u001b[2J${'x'.repeat(10_000)}` },
        origin: { userAgent: `a\u0000b${'y'.repeat(10_000)}` },
      }),
    )
    const [line] = await list()
    expect(line?.actor.name).toBe(`?[2J${'x'.repeat(296)}`)
    expect(line?.origin.userAgent).toHaveLength(300)
  })

  test.each([
    [{ who: 'ann@EXAMPLE.com' }, ['c', 'a']],
    [{ who: '2' }, ['b']],
    [{ who: 'codex' }, ['b']],
    [{ action: 'a' }, ['a']],
    [{ resource: 'projects/app' }, ['b', 'a']],
    [{ resource: 'projects/ap' }, []],
    [{ resource: 'projects/app/branches/dev' }, ['a']],
    [{ result: 'refused' as const }, ['b']],
    [{ project: 'p-2' as ProjectUid }, ['c']],
    [{ from: later(start, hours(1)) }, ['c', 'b']],
    [{ to: later(start, hours(1)) }, ['a']],
    [{ before: 3 }, ['b', 'a']],
    [{ after: 1, limit: 1 }, ['c']],
  ])('is found by %j', async (query, found) => {
    await append(
      entry('a'),
      entry('b', {
        time: later(start, hours(1)),
        resource: 'projects/app',
        actor: { kind: 'USER', uid: '2', name: 'bob', agent: 'codex' },
        result: 'refused',
      }),
      entry('c', { time: later(start, hours(2)), resource: 'projects/other', projectUid: 'p-2' }),
    )
    expect(await actions(query)).toEqual(found)
  })
})

describe('writers at once', () => {
  test('get numbers without gaps in the order of their commits; one that fails takes none', async () => {
    const write = async (n: number) =>
      catalog
        .transaction(async ({ audit }) => {
          await audit.append(entry(`w${n}`))
          if (n % 5 === 0) throw new Error('rolled back')
        })
        .catch(() => undefined)
    await Promise.all(Array.from({ length: 50 }, (_, n) => write(n)))
    const seqs = (await list()).map(({ seq }) => seq)
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, n) => 40 - n))
    expect(await catalog.audit.verify()).toMatchObject({ entries: 40, broken: undefined })
  })
})

describe('the log', () => {
  test('refuses UPDATE, DELETE and TRUNCATE, of a replicating session too', async () => {
    await append(entry('a'), entry('b'))
    for (const text of [
      "update audit set actor_name = 'x'",
      'update audit set seq = 9 where false',
      'delete from audit',
      'truncate audit',
      'truncate audit cascade',
      'set session_replication_role = replica; delete from audit',
      "insert into audit select * from audit on conflict (seq) do update set action = 'x'",
    ]) {
      await expect(database.sql(text), text).rejects.toThrow(/append-only/)
    }
    expect(await list()).toHaveLength(2)
  })

  test('makes number and hashes itself, whatever is sent', async () => {
    await append(entry('a'))
    await database.sql(`insert into audit (seq, time, action, resource, actor_kind, result, changed,
      details, count, previous, hash) values (77, now(), 'b', 'r', 'SYSTEM', 'succeeded', '{}', '{}', 1, 'x', 'x')`)
    expect((await list()).map(({ seq }) => seq)).toEqual([2, 1])
    expect(await catalog.audit.verify()).toMatchObject({ broken: undefined })
  })
})

describe('verification', () => {
  const ten = () => append(...Array.from({ length: 10 }, (_, n) => entry(`a${n}`)))

  test('of an empty and of a whole log finds nothing', async () => {
    expect(await catalog.audit.verify()).toEqual({
      entries: 0,
      firstSeq: undefined,
      lastSeq: undefined,
      lastHash: undefined,
      broken: undefined,
    })
    await ten()
    expect(await catalog.audit.verify()).toMatchObject({
      entries: 10,
      firstSeq: 1,
      lastSeq: 10,
      lastHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      broken: undefined,
    })
  })

  test('reads logs of more than one chunk', async () => {
    await append(entry('first'))
    await database.sql(`insert into audit (time, action, resource, actor_kind, result, changed, details,
      count, previous, hash) select now(), 'many', 'r', 'SYSTEM', 'succeeded', '{}', '{}', 1, '', ''
      from generate_series(1, 20500)`)
    expect(await catalog.audit.verify()).toMatchObject({ entries: 20_501, broken: undefined })
    await tamper("update audit set reason = 'x' where seq = 20400")
    expect(await catalog.audit.verify()).toMatchObject({ broken: { seq: 20_400 } })
  })

  test.each([
    ["update audit set actor_name = 'eve' where seq = 4", 4],
    ["update audit set time = time + interval '1 microsecond' where seq = 4", 4],
    [`update audit set details = '{"a": 1}' where seq = 4`, 4],
    ['delete from audit where seq = 4', 5],
    ['delete from audit where seq < 4', 4],
    ['update audit set seq = 100 where seq = 4', 5],
    ["update audit set hash = sha256('x') where seq = 4", 4],
  ])('finds %s', async (text, seq) => {
    await ten()
    await tamper(text)
    expect((await catalog.audit.verify()).broken).toMatchObject({ seq })
  })

  test('finds an end that was cut off or rewritten by what was kept of it', async () => {
    await ten()
    const { lastSeq: seq = 0, lastHash: hash = '' } = await catalog.audit.verify()
    await append(entry('later'))
    expect(await catalog.audit.verify({ seq, hash })).toMatchObject({ broken: undefined })
    await tamper('delete from audit where seq >= 10')
    expect(await catalog.audit.verify()).toMatchObject({ broken: undefined })
    expect((await catalog.audit.verify({ seq, hash })).broken).toMatchObject({ seq: 10 })
    await append(entry('another tenth'))
    expect((await catalog.audit.verify({ seq, hash })).broken).toMatchObject({ seq: 10 })
  })
})

describe('the sweep', () => {
  const at = (now: EpochMs) => ({
    catalog,
    log: database.log,
    clock: { ...systemClock, now: () => now },
  })

  test('removes what is older than the retention, says so, and leaves a chain that verifies', async () => {
    await append(...[0, 1, 2, 10, 11].map((n) => entry(`d${n}`, { time: later(start, days(n)) })))
    await sweepAudit(at(later(start, days(12))), days(5))
    expect(await actions({})).toEqual(['forget-audit', 'd11', 'd10'])
    const [told] = await list()
    expect(told).toMatchObject({
      seq: 6,
      actor: { kind: 'SYSTEM' },
      details: { entries: 3, through: 3, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })
    expect(await catalog.audit.verify()).toMatchObject({
      entries: 3,
      firstSeq: 4,
      broken: undefined,
    })
    await expect(database.sql('delete from audit where seq = 4')).rejects.toThrow(/append-only/)
  })

  test('twice, and of a log that is all old, leaves a chain that verifies', async () => {
    await append(...[0, 1, 2].map((n) => entry(`d${n}`, { time: later(start, days(n)) })))
    await sweepAudit(at(later(start, days(2))), days(1))
    expect(await actions({})).toEqual(['forget-audit', 'd2', 'd1'])
    await sweepAudit(at(later(start, days(50))), days(1))
    // The last line stays in any case, so the sweep's own line of before went in a second step.
    expect(await actions({})).toEqual(['forget-audit', 'forget-audit'])
    expect(await catalog.audit.verify()).toMatchObject({ entries: 2, broken: undefined })
  })

  test('with nothing old does and says nothing', async () => {
    await append(entry('a'), entry('b'))
    await sweepAudit(at(later(start, hours(1))), days(1))
    expect(await actions({})).toEqual(['b', 'a'])
  })

  test('a removal that only claims to be a sweep shows', async () => {
    await append(...[0, 1, 2].map((n) => entry(`d${n}`)))
    await tamper('delete from audit where seq = 1')
    expect((await catalog.audit.verify()).broken).toMatchObject({ seq: 2 })
  })
})
