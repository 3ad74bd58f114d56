/** The tar of a cluster, read back by the tar of the machine. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { run } from '../lib/subprocess.ts'
import { systemClock } from '../lib/time.ts'
import { tarOfCluster } from './tar-of-cluster.ts'

const root = mkdtempSync(join(tmpdir(), 'lakelet-tar-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('files of all sizes, empty directories, and WAL in the place of its link', async () => {
  const dataDirectory = join(root, 'data')
  const walDirectory = join(root, 'wal')
  mkdirSync(join(dataDirectory, 'base/5'), { recursive: true })
  mkdirSync(join(dataDirectory, 'pg_twophase'))
  mkdirSync(join(walDirectory, 'archive_status'), { recursive: true })
  symlinkSync(walDirectory, join(dataDirectory, 'pg_wal'))
  const sizes = [0, 1, 511, 512, 513, 300_000]
  for (const size of sizes) {
    writeFileSync(join(dataDirectory, `base/5/${size}`), Buffer.alloc(size, size % 251))
  }
  writeFileSync(join(dataDirectory, 'postmaster.pid'), '1')
  writeFileSync(join(dataDirectory, 'postgresql.conf'), 'port = 5432\n')
  writeFileSync(join(walDirectory, '000000010000000000000001'), 'wal')

  const parts: Uint8Array[] = []
  for await (const part of tarOfCluster({ major: 17, dataDirectory, walDirectory }, systemClock)) {
    expect(part.length).toBeLessThanOrEqual(256 * 1024)
    parts.push(part)
  }
  writeFileSync(join(root, 'x.tar'), Buffer.concat(parts))
  const unpacked = join(root, 'unpacked')
  mkdirSync(unpacked)
  await run('tar', ['-xf', join(root, 'x.tar'), '-C', unpacked])
  for (const size of sizes) {
    expect(readFileSync(join(unpacked, `base/5/${size}`))).toEqual(Buffer.alloc(size, size % 251))
  }
  const listed = (await run('tar', ['-tf', join(root, 'x.tar')])).trim().split('\n')
  expect(listed).not.toContain('postmaster.pid')
  expect(listed.filter((name) => name.startsWith('pg_'))).toEqual([
    'pg_hba.conf',
    'pg_twophase/',
    'pg_wal/',
    'pg_wal/000000010000000000000001',
    'pg_wal/archive_status/',
  ])
  expect(statSync(unpacked).mode & 0o777).toBe(0o700)
  expect(statSync(join(unpacked, 'base/5/1')).mode & 0o777).toBe(0o600)
  expect(readFileSync(join(unpacked, 'postgresql.conf'), 'utf8')).toMatch(
    /^port = 5432\n[\s\S]*unix_socket_permissions = 0700\n$/,
  )
})
