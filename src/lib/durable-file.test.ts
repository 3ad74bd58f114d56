/** Files that survive a crash; what a killed writer leaves goes with the next start. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { removeDrafts, writeDurableFile } from './durable-file.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakelet-durable-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test('a write replaces the file and leaves nothing beside it', async () => {
  const path = join(directory, 'server.json')
  await writeDurableFile(path, 'one')
  await writeDurableFile(path, 'two')
  expect(await readFile(path, 'utf8')).toBe('two')
  expect(await readdir(directory)).toEqual(['server.json'])
})

test('drafts of killed writers are removed, and nothing else', async () => {
  await writeFile(join(directory, 'server.json.0123456789ab.draft'), 'half')
  await writeFile(join(directory, 'pool.img.draft'), '')
  await removeDrafts(directory)
  expect((await readdir(directory)).sort()).toEqual(['pool.img.draft', 'server.json'])
})
