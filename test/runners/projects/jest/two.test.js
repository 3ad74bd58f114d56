const { onlyMine } = require('../only-mine.cjs')

test('two sees the migrated rows and its own', async () => {
  expect(await onlyMine('two')).toEqual([['migrated'], ['migrated', 'two']])
})
