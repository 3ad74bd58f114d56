/** What the limits refuse, and that each refusal names the setting that moves it. */
import { describe, expect, test } from 'vitest'
import { Fault } from '../domain/faults.ts'
import { days, type Millis, minutes, seconds } from '../lib/time.ts'
import { type Limits, mayCopy, mayHaveSize, maySuspendAfter, mustKeepHistory } from './limits.ts'

const limits: Limits = {
  maxProjects: 1,
  maxBranchesPerProject: 1,
  maxRootBranchesPerProject: 1,
  maxProtectedBranchesPerProject: 1,
  maxSnapshotsPerProject: 1,
  maxBranchLogicalSize: 1024 ** 3,
  maxRolesPerBranch: 1,
  maxDatabasesPerBranch: 1,
  historyRetention: { min: days(2), max: days(35) },
  suspendTimeout: { min: minutes(1), max: days(7) },
  cu: { max: 8, spread: 4 },
}

const said = (work: () => void): string => {
  try {
    work()
    return 'allowed'
  } catch (error) {
    return error instanceof Fault ? error.text : 'crash'
  }
}

describe('limits', () => {
  test.each<[Millis, RegExp]>([
    [days(2), /^allowed$/],
    [days(35), /^allowed$/],
    [seconds(172_799), /172800s \(2 days\) to 3024000s \(35 days\).*--min-history-retention/],
    [seconds(3_024_001), /'spec.history'.*--max-history-retention/],
    [seconds(-1), /--min-history-retention/],
  ])('history of %d ms', (length, expected) => {
    expect(said(() => mustKeepHistory('spec.history', length, limits))).toMatch(expected)
  })

  test.each<[Millis, RegExp]>([
    [minutes(1), /^allowed$/],
    [seconds(59), /60s \(1 minute\) to 604800s \(7 days\).*--min-suspend-timeout/],
    [seconds(604_801), /--max-suspend-timeout/],
  ])('a suspend timeout of %d ms', (length, expected) => {
    expect(said(() => maySuspendAfter('spec.suspend', length, limits))).toMatch(expected)
  })

  test.each<[number, number, RegExp]>([
    [0.5, 2, /^allowed$/],
    [4, 8, /^allowed$/],
    [4, 2, /must not be below/],
    [8, 9, /at most 8 \(--max-cu\); there are no larger fixed sizes here/],
    [1, 6, /at most 4 above .*\(--max-cu-spread\)/],
  ])('%d to %d CU', (min, max, expected) => {
    expect(said(() => mayHaveSize('spec.autoscaling_limit_max_cu', min, max, limits))).toMatch(
      expected,
    )
  })

  test('a branch that has outgrown its size is not copied', () => {
    const branch = (logicalSizeBytes: number) =>
      ({ branchId: 'big', logicalSizeBytes }) as Parameters<typeof mayCopy>[0]
    expect(said(() => mayCopy(branch(1024 ** 3), limits))).toBe('allowed')
    expect(said(() => mayCopy(branch(2 * 1024 ** 3), limits))).toMatch(
      /'big' holds 2 GiB; above 1 GiB .*--max-branch-logical-size/,
    )
  })
})
