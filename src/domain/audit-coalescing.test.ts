/** A flood becomes few lines, and nothing of it goes uncounted. */
import { expect, test } from 'vitest'
import { type EpochMs, epochMs, hours, type Millis, millis, seconds } from '../lib/time.ts'
import type { AuditEntry } from './audit.ts'
import { AuditCoalescing } from './audit-coalescing.ts'

const start = epochMs(1_800_000_000_000)
const later = (moment: EpochMs, length: Millis) => epochMs(moment + length)
const refused = (name: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  time: start,
  action: 'login',
  resource: 'projects/store/branches/production/endpoints/primary',
  actor: { kind: 'UNKNOWN', name },
  origin: { remoteAddress: '127.0.0.1' },
  result: 'refused',
  reason: 'LOGIN_FAILED',
  changed: [],
  details: {},
  count: 1,
  ...more,
})
const total = (lines: readonly AuditEntry[]) => lines.reduce((sum, { count }) => sum + count, 0)

test('the first is written at once, the rest of its minute as one count', () => {
  const coalescing = new AuditCoalescing()
  expect(coalescing.note(refused('eve'), start)).toEqual(refused('eve'))
  for (let n = 1; n < 100; n += 1) {
    const now = later(start, millis(n * 100))
    expect(coalescing.note(refused('eve', { time: now }), now)).toBeUndefined()
  }
  expect(coalescing.nextDue()).toBe(later(start, seconds(60)))
  expect(coalescing.due(later(start, seconds(59)))).toEqual([])
  const last = later(start, millis(9900))
  expect(coalescing.due(later(start, seconds(60)))).toEqual([
    refused('eve', { time: last, count: 99 }),
  ])
})

test('a flood that goes on is one line a minute; one that ended is forgotten', () => {
  const coalescing = new AuditCoalescing()
  coalescing.note(refused('eve'), start)
  const written: AuditEntry[] = []
  for (let n = 1; n <= 300; n += 1) {
    const now = later(start, seconds(n))
    coalescing.note(refused('eve', { time: now }), now)
    written.push(...coalescing.due(now))
  }
  expect(written).toHaveLength(5)
  expect(total(written)).toBe(300)
  expect(coalescing.due(later(start, hours(1)))).toEqual([])
  expect(coalescing.nextDue()).toBeUndefined()
})

test.each([
  ['address', { origin: { remoteAddress: '127.0.0.2' } }],
  ['resource', { resource: 'projects/other' }],
  ['reason', { reason: 'TOKEN_EXPIRED' }],
  ['credential', { details: { token_id: 'one' } }],
  ['agent', { actor: { kind: 'UNKNOWN', name: 'eve', agent: 'codex' } }],
] as const)('another %s is another line', (_, more) => {
  const coalescing = new AuditCoalescing()
  coalescing.note(refused('eve'), start)
  expect(coalescing.note(refused('eve', more), start)).toBeDefined()
})

test('strangers of many names are bounded, counted, and take nothing from those who are known', () => {
  const coalescing = new AuditCoalescing()
  let now: EpochMs = start
  const written: AuditEntry[] = []
  const asked = 50_000
  for (let n = 0; n < asked; n += 1) {
    now = later(start, millis(n))
    const line = coalescing.note(refused(`eve-${n}`), now)
    if (line !== undefined) written.push(line)
    if (n % 1000 === 0) written.push(...coalescing.due(now))
  }
  const known = refused('ann', { actor: { kind: 'USER', uid: '1', name: 'ann' } })
  expect(coalescing.note(known, now)).toEqual(known)
  written.push(...coalescing.due(epochMs(Number.MAX_SAFE_INTEGER)))
  expect(written.length).toBeLessThan(520)
  expect(total(written)).toBe(asked)
  expect(written.at(-1)).toMatchObject({ resource: 'too many to list', actor: { kind: 'UNKNOWN' } })
})

test('a clock that is set back breaks nothing', () => {
  const coalescing = new AuditCoalescing()
  coalescing.note(refused('eve'), start)
  const earlier = epochMs(start - hours(5))
  expect(coalescing.note(refused('eve'), earlier)).toBeUndefined()
  expect(coalescing.note(refused('bob'), earlier)).toBeDefined()
})
