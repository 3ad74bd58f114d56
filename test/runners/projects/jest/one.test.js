const { onlyMine } = require('../only-mine.cjs')

test('one sees the migrated rows and its own', async () => {
  expect(await onlyMine('one')).toEqual([['migrated'], ['migrated', 'one']])
})
