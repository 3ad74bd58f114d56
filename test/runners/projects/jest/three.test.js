const { onlyMine } = require('../only-mine.cjs')

test('three sees the migrated rows and its own', async () => {
  expect(await onlyMine('three')).toEqual([['migrated'], ['migrated', 'three']])
})
