import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readSettings } from './read-settings.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakelet-settings-'))
})
afterEach(() => rm(directory, { recursive: true }))

test('lakelet.toml of the state directory is read', async () => {
  await writeFile(join(directory, 'lakelet.toml'), '# ours\napi-port = 7431\nstorage = "copy"\n')
  const settings = await readSettings({
    flags: {},
    env: { LAKELET_STATE_DIR: directory },
    cwd: '/',
  })
  expect(settings).toMatchObject({ stateDir: directory, apiPort: 7431, storage: 'copy' })
})

test('a named file may say where the state directory is', async () => {
  await writeFile(join(directory, 'mine.toml'), 'state-dir = "/srv/lakelet"\n')
  const settings = await readSettings({ flags: { config: 'mine.toml' }, env: {}, cwd: directory })
  expect(settings.stateDir).toBe('/srv/lakelet')
})

test('a named file must be there', async () => {
  const given = { flags: {}, env: { LAKELET_CONFIG: join(directory, 'none.toml') }, cwd: '/' }
  await expect(readSettings(given)).rejects.toThrow('no such settings file')
})

test('a file that is not TOML is refused with its place', async () => {
  await writeFile(join(directory, 'lakelet.toml'), 'api-port = \n')
  const given = { flags: { 'state-dir': directory }, env: {}, cwd: '/' }
  await expect(readSettings(given)).rejects.toThrow(/lakelet\.toml: [\s\S]*1:/)
})
