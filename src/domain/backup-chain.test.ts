import { describe, expect, test } from 'vitest'
import { epochMs, millis } from '../lib/time.ts'
import { type BackupPoint, restorable, runsOf, sayWindows } from './backup-chain.ts'
import { type KnownManifest, readManifest, writeManifest } from './backup-manifest.ts'
import { lsn } from './lsn.ts'

const hash = (n: number) => n.toString(16).padStart(64, '0')

/** One at second `at`, whose WAL ends at `at` × 100 and lies in one segment. */
const manifest = (sequence: number, kind: 'full' | 'increment', at: number): KnownManifest => ({
  hash: hash(sequence),
  sequence,
  previous: sequence === 1 ? undefined : hash(sequence - 1),
  operation: `op-${sequence}`,
  source: { projectUid: 'p', projectId: 'app', branchUid: 'br', branchId: 'main' },
  postgres: 17,
  systemId: '7',
  timeline: 1,
  volume: 'p/br',
  time: epochMs(at * 1000),
  until: epochMs(at * 1000 + 500),
  reached: lsn(BigInt(at) * 100n),
  walSegmentBytes: 4 * 2 ** 20,
  data:
    kind === 'full'
      ? { directories: ['base'], files: [{ path: 'base/1', size: 8192, chunks: [hash(99)] }] }
      : undefined,
  wal: [{ path: '000000010000000000000001', size: at, chunks: [hash(at)] }],
  catalog: {
    project: {
      displayName: 'App',
      historyRetention: millis(7),
      endpointDefaults: {
        minCu: 1,
        maxCu: 2,
        suspendTimeout: undefined,
        pgSettings: { work_mem: '7MB' },
      },
      enablePgNativeLogin: true,
      customTags: [{ key: 'k', value: 'v' }],
    },
    branch: { isProtected: false, logicalSizeBytes: 5 },
    endpoints: [
      {
        endpointId: 'primary',
        type: 'ENDPOINT_TYPE_READ_WRITE',
        isDisabled: false,
        minCu: 0.5,
        maxCu: 2,
        suspendTimeout: millis(60_000),
        pgSettings: {},
      },
    ],
    principals: [
      {
        kind: 'GROUP',
        loginName: 'crew',
        displayName: 'crew',
        isActive: true,
        profile: { externalId: 'x', roles: ['a'] },
        members: ['ann'],
      },
    ],
    permissions: [{ loginName: 'crew', level: 'CAN_USE' }],
  },
})

/** Two runs, with a hole between seconds 30 and 50. */
const chain = [
  manifest(1, 'full', 10),
  manifest(2, 'increment', 20),
  manifest(3, 'increment', 30),
  manifest(4, 'full', 50),
  manifest(5, 'increment', 60),
]
const time = (at: number): BackupPoint => ({ kind: 'time', time: epochMs(at * 1000) })
const position = (at: number): BackupPoint => ({ kind: 'lsn', lsn: lsn(BigInt(at) * 100n) })

describe('which manifests bring a point back', () => {
  test.each([
    ['nothing asked', undefined, 5],
    ['the end of a full copy', time(10.5), 2],
    ['inside of a full copy', time(10.2), undefined],
    ['between two increments', time(25), 3],
    ['the end of an increment', time(20), 2],
    ['before all', time(9), undefined],
    ['in the hole', time(40), undefined],
    ['in the later run', time(55), 5],
    ['after all', time(61), undefined],
    ['a position between', position(25), 3],
    ['a position in the hole', position(40), undefined],
    ['the position of a full copy', position(50), 4],
    ['a position behind all', position(61), undefined],
  ] as const)('%s', (_, point, sequence) => {
    expect(restorable(chain, point)?.upTo.sequence).toBe(sequence)
  })

  test('a later manifest holds more of a segment', () => {
    expect(restorable(chain, time(25))?.wal).toEqual([
      { path: '000000010000000000000001', size: 30, chunks: [hash(30)] },
    ])
  })

  test('nothing after a full copy is nothing to stop before', () => {
    expect(restorable(chain, position(50))?.point).toBeUndefined()
    expect(restorable(chain, position(55))?.point).toEqual(position(55))
  })

  test('runs and their windows', () => {
    expect(runsOf(chain).map((run) => run.length)).toEqual([3, 2])
    expect(sayWindows(chain)).toBe(
      '1970-01-01T00:00:10.500Z (0/3E8) to 1970-01-01T00:00:30.000Z (0/BB8), 1970-01-01T00:00:50.500Z (0/1388) to 1970-01-01T00:01:00.000Z (0/1770)',
    )
  })
})

describe('a manifest', () => {
  test('reads as it was written', () => {
    for (const { hash: _, ...known } of chain) {
      expect(readManifest(writeManifest(known))).toEqual(known)
    }
  })

  test.each([
    ['../../etc/passwd'],
    ['/etc/passwd'],
    ['base/../../x'],
    ['base//x'],
    ['pg_wal/000000010000000000000001'],
    [''],
    ['a\u0000b'],
  ])('that names %j is none', (path) => {
    const { hash: _, ...known } = manifest(1, 'full', 10)
    const data = { directories: [], files: [{ path, size: 0, chunks: [] }] }
    expect(() => readManifest(writeManifest({ ...known, data }))).toThrow(/outside/)
  })

  test.each([
    ['no JSON', 'x'],
    ['another format', '{"format": 2}'],
    ['nothing', '{}'],
  ])('of %s is none', (_, text) => {
    expect(() => readManifest(text)).toThrow()
  })

  test('that names other chunks than its sizes ask for is none', () => {
    const { hash: _, ...known } = manifest(1, 'full', 10)
    const wal = [{ path: '000000010000000000000001', size: 5 * 2 ** 20, chunks: [hash(1)] }]
    expect(() => readManifest(writeManifest({ ...known, wal }))).toThrow(/chunks/)
  })
})
