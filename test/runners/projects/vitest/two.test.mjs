import { expect, test } from 'vitest'
import { onlyMine } from '../only-mine.cjs'

test('two sees the migrated rows and its own', async () => {
  expect(await onlyMine('two')).toEqual([['migrated'], ['migrated', 'two']])
})
