import { expect, test } from 'vitest'
import { tableOf } from './status-command.ts'

test('any status becomes lines for people', () => {
  expect(
    tableOf({
      version: '1.0.0',
      ready: true,
      storage: { driver: 'btrfs', passed_over: [] },
      computes: [
        { endpoint: 'p/b/primary', state: 'ACTIVE' },
        { endpoint: 'p/long-branch/primary', state: 'IDLE', pid: 7 },
      ],
      pgPort: 5432,
    }),
  ).toEqual([
    'version  1.0.0',
    'ready    yes',
    'pg port  5432',
    'storage',
    '  driver       btrfs',
    '  passed over  none',
    'computes',
    '  endpoint               state   pid',
    '  p/b/primary            ACTIVE  -',
    '  p/long-branch/primary  IDLE    7',
  ])
})

test('what a server says cannot steer the terminal', () => {
  expect(tableOf({ note: 'a\u001b[2Jb' })).toEqual(['note  a?[2Jb'])
})
