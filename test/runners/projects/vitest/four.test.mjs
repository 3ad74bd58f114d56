import { expect, test } from 'vitest'
import { onlyMine } from '../only-mine.cjs'

test('four sees the migrated rows and its own', async () => {
  expect(await onlyMine('four')).toEqual([['migrated'], ['migrated', 'four']])
})
