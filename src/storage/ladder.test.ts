/** The whole truth table of the choice. */
import { describe, expect, test } from 'vitest'
import type { DriverName } from '../ports/storage.ts'
import { type Choice, climb, type Findings } from './ladder.ts'
import type { Probe } from './probe.ts'

const yes: Probe = { isUsable: true }
const no = (because: string): Probe => ({ isUsable: false, because })

const ext4AsRoot: Findings = {
  fileSystem: 'ext4',
  btrfs: no('the file system is ext4'),
  reflink: no('the file system cannot clone files (ENOTSUP)'),
  image: yes,
  isOnImage: false,
}
const ext4AsUser: Findings = { ...ext4AsRoot, image: no('only root may mount a btrfs image') }
const xfs: Findings = {
  ...ext4AsRoot,
  fileSystem: 'xfs',
  btrfs: no('the file system is xfs'),
  reflink: yes,
}
const btrfs: Findings = { ...ext4AsRoot, fileSystem: 'btrfs', btrfs: yes, reflink: yes }

const taken = (choice: Choice): string =>
  choice.driver === undefined ? 'refused' : `${choice.driver}${choice.onImage ? ' on image' : ''}`

test.each<readonly [string, Findings, DriverName | undefined, string]>([
  ['ext4 as root', ext4AsRoot, undefined, 'btrfs on image'],
  ['ext4 as root', ext4AsRoot, 'btrfs', 'btrfs on image'],
  ['ext4 as root', ext4AsRoot, 'reflink', 'refused'],
  ['ext4 as root', ext4AsRoot, 'copy', 'copy'],
  ['ext4 as a user', ext4AsUser, undefined, 'copy'],
  ['ext4 as a user', ext4AsUser, 'btrfs', 'refused'],
  ['xfs as root', xfs, undefined, 'reflink'],
  ['xfs as root', xfs, 'btrfs', 'btrfs on image'],
  ['xfs as root', xfs, 'copy', 'copy'],
  ['btrfs', btrfs, undefined, 'btrfs'],
  ['btrfs', btrfs, 'reflink', 'reflink'],
  ['btrfs', btrfs, 'copy', 'copy'],
])('on %s (%#) with %s asked for: %s', (_name, findings, requested, expected) => {
  expect(taken(climb(findings, requested))).toBe(expected)
})

describe('reasons', () => {
  const because = (findings: Findings, requested?: DriverName): readonly string[] =>
    climb(findings, requested).rungs.map((rung) => rung.because)

  test('say what each rung lacks', () => {
    expect(because(ext4AsUser)).toEqual([
      'the file system is ext4, and only root may mount a btrfs image',
      'the file system cannot clone files (ENOTSUP)',
      'works everywhere; a branch costs a full copy',
    ])
  })

  test('say that a better rung was taken', () => {
    expect(because(btrfs)).toEqual([
      'the pool directory is on btrfs',
      'not needed: btrfs is better',
      'not needed: btrfs is better',
    ])
  })

  test('say that a rung was asked for', () => {
    expect(because(btrfs, 'copy')).toEqual([
      'passed over: copy was asked for',
      'passed over: copy was asked for',
      'asked for; works everywhere; a branch costs a full copy',
    ])
  })

  test('say why what was asked for cannot be had', () => {
    const choice = climb(ext4AsUser, 'reflink')
    expect(choice).toMatchObject({ because: 'the file system cannot clone files (ENOTSUP)' })
    expect(choice.rungs.some((rung) => rung.isTaken)).toBe(false)
  })
})
