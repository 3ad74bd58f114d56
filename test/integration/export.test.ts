/** A branch as a tar of a cluster: plain Postgres starts from it, and nothing of it stays here. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chownSync,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findServiceUser } from '../../src/lib/service-user.ts'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const production = 'projects/store/branches/production'
let server: TestServer
let root: string

beforeAll(async () => {
  server = await TestServer.start()
  root = mkdtempSync(join(tmpdir(), 'lakelet-export-'))
  await chmod(root, 0o755)
  await server.sql(
    production,
    "create table kept (n int); insert into kept select generate_series(1, 1000); create role app login password 'a good one'; grant select on kept to app",
  )
})
afterAll(async () => {
  await server?.dispose()
  rmSync(root, { recursive: true, force: true })
})

const exported = (branch: string, token = server.token, signal?: AbortSignal) =>
  fetch(`${server.apiUrl}/api/2.0/postgres/${branch}/export`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    ...(signal === undefined ? {} : { signal }),
  })
const leftOvers = () =>
  ['pool/exports', 'wal/exports'].flatMap((path) => {
    try {
      return readdirSync(join(server.stateDir, path))
    } catch {
      return []
    }
  })

/** The toolchain's own program, with nothing of Lakelet but the files. */
async function startPlain(data: string, socket: string): Promise<ChildProcess> {
  const user = await findServiceUser()
  const toolchain = readdirSync(join(server.stateDir, 'toolchains')).find((name) =>
    name.startsWith('17-'),
  )
  const program = join(server.stateDir, 'toolchains', toolchain ?? '', 'native/bin/postgres')
  return spawn(program, ['-D', data, '-k', socket, '-c', 'listen_addresses='], {
    cwd: '/',
    stdio: 'ignore',
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  })
}

describe('an export', () => {
  test.each(['awake', 'asleep'])(
    'of a branch that is %s is a cluster of its own',
    async (state) => {
      if (state === 'asleep') {
        await server.stop()
        await server.launch()
      }
      const response = await exported(production)
      expect([response.status, response.headers.get('content-type')]).toEqual([
        200,
        'application/x-tar',
      ])
      expect(response.headers.get('content-disposition')).toBe(
        'attachment; filename="store-production.tar"',
      )
      const file = join(root, `${state}.tar`)
      await pipeline(Readable.fromWeb(response.body as never), createWriteStream(file))
      await eventually('the clone is gone', () => leftOvers().length === 0)
      await server.sql(production, 'insert into kept values (0)') // after the export

      const data = join(root, state)
      const socket = join(root, `${state}-socket`)
      for (const path of [data, socket]) mkdirSync(path, { mode: 0o700 })
      execFileSync('tar', ['-xf', file, '-C', data])
      const user = await findServiceUser()
      if (user !== undefined) {
        execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, data])
        chownSync(socket, user.uid, user.gid)
      }
      const secrets = [
        server.token,
        readFileSync(join(server.stateDir, 'keys/secret-box-key'), 'utf8').trim(),
      ]
      for (const secret of secrets) {
        expect(() => execFileSync('grep', ['-rqF', secret, data])).toThrow() // 1: found nowhere
      }
      const plain = await startPlain(data, socket)
      try {
        const client = await connected(socket)
        const { rows } = await client.query(
          `select count(*)::int as n, pg_is_in_recovery() as recovering,
          (select rolpassword from pg_authid where rolname = 'app') as verifier from kept`,
        )
        expect(rows[0]).toMatchObject({ n: state === 'awake' ? 1000 : 1001, recovering: false })
        expect(rows[0].verifier).toMatch(/^SCRAM-SHA-256\$/)
        await client.query('create table more (n int); insert into more values (1)')
        await client.end()
      } finally {
        plain.kill('SIGINT')
        await new Promise((done) => plain.once('exit', done))
      }
      await nothingHalfMade(server)
    },
    60_000,
  )

  test('is for who may manage the project', async () => {
    const ann = await server.identity('ann@example.com', 'CAN_BRANCH')
    expect((await exported(production, ann)).status).toBe(403)
    expect((await exported('projects/store/branches/absent')).status).toBe(404)
    const audit = await server.api('GET', '/api/lakelet/v1/audit?action=export-branch')
    const results = audit.body.entries.map(({ result }: { result: string }) => result).sort()
    expect(results).toEqual(['refused', 'refused', 'succeeded', 'succeeded'])
  })

  test('that nobody reads to its end leaves nothing', async () => {
    const leaving = new AbortController()
    const response = await exported(production, server.token, leaving.signal)
    const reader = response.body?.getReader()
    expect((await reader?.read())?.done).toBe(false)
    expect(leftOvers().length).toBeGreaterThan(0)
    leaving.abort()
    await eventually('the clone is gone', () => leftOvers().length === 0)
    await nothingHalfMade(server)
  }, 60_000)

  test.each(['export.placed', 'export.recovered'])(
    'of a server that is killed at %s leaves nothing after the next start',
    async (name) => {
      await server.stop()
      await server.launch({ LAKELET_FAILPOINTS: `${name}=kill` })
      await exported(production).catch(() => undefined)
      await eventually('killed', () => server.isGone)
      expect(leftOvers().length).toBeGreaterThan(0)
      await server.launch()
      await eventually('swept', () => leftOvers().length === 0)
      await nothingHalfMade(server)
    },
    60_000,
  )
})

async function connected(socket: string): Promise<pg.Client> {
  for (let tries = 0; ; tries += 1) {
    const client = new pg.Client({
      host: socket,
      user: 'cloud_admin',
      database: 'databricks_postgres',
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return client
    } catch (error) {
      if (tries > 100) throw error
      await new Promise((done) => setTimeout(done, 100))
    }
  }
}
