import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { embeddedPostgres, majors } from '../../test/fixtures/embedded-cluster.ts'
import { pageBytes, pageProblem, parseRelationFile } from './page-checksum.ts'

/** Postgres does not run as root. */
const owner = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : undefined

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'lakelet-pages-'))
  if (owner !== undefined) chownSync(directory, owner.uid, owner.gid)
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

function idOf(which: '-u' | '-g'): number {
  return Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' }))
}

const hasChecksums = { hasChecksums: true }

/** Every page of a cluster as initdb makes it: path, block of its relation, bytes. */
function* pagesOf(cluster: string) {
  const databases = readdirSync(join(cluster, 'base')).map((oid) => join(cluster, 'base', oid))
  for (const place of [join(cluster, 'global'), ...databases]) {
    for (const name of readdirSync(place)) {
      if (parseRelationFile(name) === undefined) continue
      const bytes = readFileSync(join(place, name))
      for (let block = 0; block * pageBytes < bytes.length; block += 1) {
        // Copied: where a page begins must be a multiple of four.
        const page = Buffer.alloc(pageBytes)
        bytes.copy(page, 0, block * pageBytes)
        yield { path: join(place, name), block, page }
      }
    }
  }
}

for (const major of majors) {
  test.skipIf(embeddedPostgres(major) === undefined)(
    `agrees with Postgres ${major} on every page of a fresh cluster, and on none at another place`,
    () => {
      const cluster = join(directory, String(major))
      const initdb = join(embeddedPostgres(major) ?? '', 'bin/initdb')
      execFileSync(
        initdb,
        ['-D', cluster, '-U', 'cloud_admin', '-A', 'trust', '--no-sync', '--no-locale', '-k'],
        { cwd: '/', ...owner },
      )
      let inUse = 0
      for (const { path, block, page } of pagesOf(cluster)) {
        expect(pageProblem(page, block, hasChecksums), `${path} ${block}`).toBeUndefined()
        if (page.readUInt16LE(14) === 0) continue
        inUse += 1
        if (inUse % 50 === 0) expect(pageProblem(page, block + 1, hasChecksums)).toBeDefined()
      }
      expect(inUse).toBeGreaterThan(1000)
    },
    60_000,
  )
}

describe('a page', () => {
  const blank = (): Buffer => Buffer.alloc(pageBytes)

  test('of zeros was never written, one that only looks new is wrong', () => {
    expect(pageProblem(blank(), 7, hasChecksums)).toBeUndefined()
    const stray = blank()
    stray[5000] = 1
    expect(pageProblem(stray, 7, hasChecksums)).toMatch(/neither empty/)
  })

  test('of a cluster without checksums has its header looked at', () => {
    const page = blank()
    page.writeUInt16LE(24, 12)
    page.writeUInt16LE(8192, 14)
    page.writeUInt16LE(8192, 16)
    expect(pageProblem(page, 0, { hasChecksums: false })).toBeUndefined()
    expect(pageProblem(page, 0, hasChecksums)).toMatch(/checksum/)
    page.writeUInt16LE(9000, 12)
    expect(pageProblem(page, 0, { hasChecksums: false })).toMatch(/header/)
  })
})

test('files with pages are told from the others', () => {
  expect(parseRelationFile('16384')).toEqual({ filenode: 16384, fork: 'main', segment: 0 })
  expect(parseRelationFile('16384_fsm.2')).toEqual({ filenode: 16384, fork: 'fsm', segment: 2 })
  for (const name of ['PG_VERSION', 'pg_filenode.map', 't3_16384', 'pg_internal.init', '1_old']) {
    expect(parseRelationFile(name)).toBeUndefined()
  }
})
