/** Which room may import which (ARCHITECTURE.md), read from every import; there are no exceptions. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const src = resolve(import.meta.dirname, '../src')

const rooms: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  wire: ['lib'],
  domain: ['lib'],
  ports: ['lib', 'domain'],
  operations: ['lib', 'domain', 'ports'],
  actions: ['lib', 'domain', 'ports', 'operations'],
  reconcile: ['lib', 'domain', 'ports', 'operations', 'actions'],
  catalog: ['lib', 'domain', 'ports'],
  storage: ['lib', 'domain', 'ports'],
  compute: ['lib', 'domain', 'ports'],
  roles: ['lib', 'domain', 'ports'],
  tokens: ['lib', 'domain', 'ports'],
  backup: ['lib', 'domain', 'ports'],
  transfer: ['lib', 'domain', 'ports'],
  api: ['lib', 'domain', 'actions'],
  oauth: ['lib', 'domain', 'actions'],
  gateway: ['lib', 'wire', 'domain', 'actions'],
  client: ['lib'],
  worktree: ['lib'],
  testing: ['lib'],
  database: ['lib'],
  cli: ['lib', 'client', 'worktree', 'testing', 'database'],
}

/** Of `lib`, the domain sees only what cannot do I/O. */
const domainSeesOfLib = ['lib/brand.ts', 'lib/time.ts']

/** Which rooms own a capability; `main` composes and may use all. */
const owners: Readonly<Record<string, readonly string[]>> = {
  'node:child_process': ['lib', 'compute', 'cli'],
  'node:net': ['gateway', 'compute', 'testing'],
  'node:tls': ['gateway'],
  'node:http': ['api', 'client', 'cli', 'oauth'],
  'node:https': ['client'],
  'node:worker_threads': ['storage'],
  tinyexec: ['lib'],
  pg: ['catalog', 'compute', 'roles', 'cli', 'testing', 'database'],
  kysely: ['catalog'],
  hono: ['api', 'oauth'],
  jose: ['tokens', 'oauth'],
  'oidc-provider': ['oauth'],
  'openid-client': ['client'],
  '@peculiar/x509': ['tokens'],
  commander: ['cli'],
  '@modelcontextprotocol': ['cli'],
  '@aws-sdk': ['backup'],
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
)

const importsOf = (file: string): readonly string[] =>
  [
    ...readFileSync(join(src, file), 'utf8').matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^'"\n]*?(?:\n[^'"]*?)?from\s+'([^']+)'|(?:\bimport\(\s*|(?:^|\n)import\s+)'([^']+)'/g,
    ),
  ].map((match) => match[1] ?? match[2] ?? '')

describe('arrows between rooms', () => {
  test('every file lives in a known room', () => {
    const unknown = files.filter((file) => {
      const room = file.split('/')[0] ?? ''
      return room !== 'main' && !(room in rooms)
    })
    expect(unknown).toEqual([])
  })

  test('a room imports only the rooms it may', () => {
    const wrong: string[] = []
    for (const file of files) {
      const room = file.split('/')[0] ?? ''
      if (room === 'main') continue
      for (const path of importsOf(file)) {
        if (!path.startsWith('.')) continue
        const target = relative(src, resolve(src, dirname(file), path))
        const isForTests = file.endsWith('.test.ts') || file.endsWith('.fixture.ts')
        if (isForTests && target.startsWith('../test/fixtures/')) continue
        const targetRoom = target.split('/')[0] ?? ''
        if (targetRoom === room) continue
        if (!rooms[room]?.includes(targetRoom)) wrong.push(`${file} → ${target}`)
        else if (room === 'domain' && !domainSeesOfLib.includes(target)) {
          wrong.push(`${file} → ${target}`)
        }
      }
    }
    expect(wrong).toEqual([])
  })

  test('capabilities stay in the rooms that own them', () => {
    const wrong: string[] = []
    for (const file of files.filter((name) => !name.endsWith('.test.ts'))) {
      const room = file.split('/')[0] ?? ''
      if (room === 'main') continue
      for (const path of importsOf(file)) {
        const name = Object.keys(owners).find((key) => path === key || path.startsWith(`${key}/`))
        if (name !== undefined && !owners[name]?.includes(room)) wrong.push(`${file} → ${path}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('clocks are read in one file', () => {
    const wrong = files.filter(
      (file) =>
        file !== 'lib/time.ts' &&
        !file.endsWith('.test.ts') &&
        /\bDate\.now\(|\bsetTimeout\(|\bsetInterval\(/.test(readFileSync(join(src, file), 'utf8')),
    )
    expect(wrong).toEqual([])
  })

  test('no file names that say nothing', () => {
    const vague = files.filter((file) =>
      /(^|\/)(utils?|helpers?|common|types|misc|index)\.ts$/.test(file),
    )
    expect(vague).toEqual([])
  })
})
