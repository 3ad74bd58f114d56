import '@lakelet/testing/file'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { onlyMine } from '../only-mine.cjs'

test('four sees the migrated rows and its own', async () => {
  assert.deepEqual(await onlyMine('four'), [['migrated'], ['migrated', 'four']])
})
