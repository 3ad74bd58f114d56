/** Which pg_dump is taken, of those that are there. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { besides, findPostgresProgram, ProgramMissing } from './postgres-programs.ts'

const root = mkdtempSync(join(tmpdir(), 'lakelet-programs-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function install(directory: string, name: string, says: string): string {
  const path = join(root, directory)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, name), `#!/bin/sh\necho '${says}'\n`)
  chmodSync(join(path, name), 0o755)
  return path
}

test('the oldest that is new enough, wherever it is', async () => {
  const directories = [
    install('a', 'pg_thing', 'pg_thing (PostgreSQL) 98.1'),
    install('b', 'pg_thing', 'pg_thing (PostgreSQL) 97.10 (Debian 97.10-1)'),
    install('c', 'pg_thing', 'something else'),
  ]
  const path = install('d', 'pg_thing', 'pg_thing (PostgreSQL) 96.4')
  const find = (atLeast: number) =>
    findPostgresProgram({ name: 'pg_thing', atLeast, directories, path })
  expect(await find(97)).toEqual({ path: join(root, 'b/pg_thing'), major: 97 })
  expect(await find(98)).toEqual({ path: join(root, 'a/pg_thing'), major: 98 })
  expect(await find(10)).toEqual({ path: join(root, 'd/pg_thing'), major: 96 })
  expect(besides(await find(97), 'psql')).toBe(join(root, 'b/psql'))
  await expect(find(99)).rejects.toThrow(ProgramMissing)
  await expect(find(99)).rejects.toMatchObject({
    places: expect.stringMatching(
      /^its own toolchains, .*\/\*\/bin, the PATH, .*b\/pg_thing is of 97/,
    ),
  })
})
