import { describe, expect, test } from 'vitest'
import { standbySettings } from './standby-settings.ts'

describe('the settings of a standby', () => {
  test.each([
    [
      'its own, where they are enough',
      { max_connections: '209' },
      { max_connections: '104' },
      '209',
    ],
    [
      "its source's, where they are not",
      { max_connections: '104' },
      { max_connections: '209' },
      '209',
    ],
    ['its own, where the source says nothing', { max_connections: '104' }, {}, '104'],
    ["its source's, where it says nothing itself", {}, { max_connections: '300' }, '300'],
    ['numbers, not texts', { max_connections: '99' }, { max_connections: '104' }, '104'],
  ])('are %s', (_, own: Record<string, string>, source: Record<string, string>, expected) => {
    expect(standbySettings(own, source)).toEqual({ max_connections: expected })
  })

  test('otherwise have nothing of the source', () => {
    const source = { work_mem: '1GB', max_locks_per_transaction: '80' }
    expect(standbySettings({ work_mem: '4MB' }, source)).toEqual({
      work_mem: '4MB',
      max_locks_per_transaction: '80',
    })
  })

  test('that cannot be read are left for Postgres to refuse', () => {
    expect(standbySettings({ max_connections: 'many' }, { max_connections: '104' })).toEqual({
      max_connections: 'many',
    })
  })
})
