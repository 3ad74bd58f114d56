import { expect, test } from 'vitest'
import { onlyMine } from '../only-mine.cjs'

test('three sees the migrated rows and its own', async () => {
  expect(await onlyMine('three')).toEqual([['migrated'], ['migrated', 'three']])
})
