/**
 * What the server makes of hard times: steps that fail, a stop or a power cut in the middle of a create,
 * a catalog that dies, callers who want opposite things at once, a second server.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
let projectUid: string
const store = 'projects/store'
const spec = { spec: { ttl: '1h' } }

beforeAll(async () => {
  server = await TestServer.start({ storage: 'copy' })
  projectUid = (await server.api('GET', `/api/2.0/postgres/${store}`)).body.uid
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
  if (server.isGone) await server.launch()
})
afterAll(async () => {
  await server?.dispose()
})

const api = (method: string, path: string, body?: unknown) =>
  server.api(method, `/api/2.0/postgres/${path}`, body)
const create = (id: string) => api('POST', `${store}/branches?branch_id=${id}`, spec)
const stateOf = async (id: string): Promise<string> => {
  const { status, body } = await api('GET', `${store}/branches/${id}`)
  return status === 200 ? body.status.current_state : String(status)
}
const relaunch = async (env: Readonly<Record<string, string>>) => {
  await server.stop()
  await server.launch(env)
}
const newClient = (host: string, user: string, password: string): pg.Client => {
  const ssl = { ca: server.ca }
  const database = 'databricks_postgres'
  const client = new pg.Client({ host, port: server.pgPort, user, password, database, ssl })
  client.on('error', () => undefined)
  return client
}
/** Those of branches: bases come and go by themselves. */
const volumes = (): readonly string[] =>
  readdirSync(join(server.stateDir, 'pool', projectUid))
    .filter((name) => !name.startsWith('ba-'))
    .sort()
/** Directories of the project on disk are those of its rows, drafts and trash are gone. */
async function nothingLeftOver(): Promise<void> {
  await eventually('disk and rows agree', async () => {
    const { body } = await api('GET', `${store}/branches?show_deleted=true&page_size=1000`)
    const rows = body.branches.map(({ uid }: { uid: string }) => uid).sort()
    const left = ['pool/tmp', 'pool/trash', 'wal/trash'].flatMap((path) =>
      existsSync(join(server.stateDir, path)) ? readdirSync(join(server.stateDir, path)) : [],
    )
    return volumes().join() === rows.join() && left.length === 0
  })
}

describe('a create whose step fails for good', () => {
  for (const step of ['clone:after', 'start:after', 'prepare:after', 'record:before']) {
    test(`at ${step}: is undone without a trace`, async () => {
      await relaunch({ LAKELET_FAILPOINTS: `create-branch.${step}=error` })
      const id = `fails-${step.replace(':', '-')}`
      const { body } = await create(id)
      await expect(server.follow(body.name)).rejects.toThrow(/INTERNAL/)
      expect(await stateOf(id)).toBe('404')
      await nothingLeftOver()
      expect(server.processes().length).toBeGreaterThan(0)
    })
  }
})

describe('a create that is cut short after its compute was started', () => {
  const slow = { LAKELET_FAILPOINTS: 'create-branch.prepare:before=sleep:3000' }
  const reachPrepare = async (id: string) => {
    await relaunch(slow)
    await create(id)
    await eventually('the compute runs', async () => {
      const { body } = await api('GET', `${store}/branches/${id}/endpoints/primary`)
      const log = join(server.stateDir, 'log', `${body.uid}.log`)
      return existsSync(log) && readFileSync(log, 'utf8').includes('ready to accept')
    })
  }

  test('by an orderly stop, which stops the compute: is completed by the next start', async () => {
    await reachPrepare('stopped')
    await relaunch({})
    await eventually('made', async () => (await stateOf('stopped')) === 'READY')
    await server.sql(`${store}/branches/stopped`, 'select 1')
  })

  test('by a power cut, which ends everything: is completed by the next start', async () => {
    await reachPrepare('cut-off')
    await server.kill()
    for (const pid of server.processes()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // Ended with its postmaster.
      }
    }
    await server.launch()
    await eventually('made', async () => (await stateOf('cut-off')) === 'READY')
    await server.sql(`${store}/branches/cut-off`, 'select 1')
  })
})

describe('a catalog that is killed', () => {
  test('is started again, and everything goes on', async () => {
    const { body: under } = await create('meanwhile')
    const file = readFileSync(join(server.stateDir, 'catalog/postmaster.pid'), 'utf8')
    const postmaster = Number(file.split('\n')[0])
    process.kill(postmaster, 'SIGKILL')
    await eventually('answers', async () => (await stateOf('production')) === 'READY')
    expect(server.isGone).toBe(false)
    await server.follow(under.name)
    await server.sql(`${store}/branches/meanwhile`, 'select 1')
    await server.write('DELETE', `${store}/branches/meanwhile?purge=true`)
  })
})

describe('opposite wishes at once', () => {
  test('the same branch made ten times: one wins', async () => {
    const replies = await Promise.all(Array.from({ length: 10 }, () => create('one')))
    const won = replies.filter(({ status }) => status === 200)
    expect(won.length).toBe(1)
    expect(replies.filter(({ status }) => status === 409).length).toBe(9)
    await server.follow(won[0]?.body.name)
    await server.write('DELETE', `${store}/branches/one?purge=true`)
    await nothingLeftOver()
  })

  test('a branch deleted while it is made: both end, nothing is left', async () => {
    const made = await create('brief')
    const deleted = await api('DELETE', `${store}/branches/brief?purge=true`)
    expect(deleted.status).toBe(200)
    await server.follow(made.body.name)
    await server.follow(deleted.body.name)
    expect(await stateOf('brief')).toBe('404')
    await nothingLeftOver()
  })

  test('a branch deleted, undeleted and deleted again while it is made', async () => {
    const names = [(await create('wavering')).body.name]
    names.push((await api('DELETE', `${store}/branches/wavering`)).body.name)
    names.push((await api('POST', `${store}/branches/wavering/undelete`, {})).body.name)
    names.push((await api('DELETE', `${store}/branches/wavering?purge=true`)).body.name)
    for (const name of names) await server.follow(name)
    await nothingLeftOver()
  })

  test('an update that Postgres refuses takes back its own fields only, and holds up no delete', async () => {
    await server.write('POST', `${store}/branches?branch_id=tuned`, spec)
    const endpoint = `${store}/branches/tuned/endpoints/primary`
    const patch = async (mask: string, fields: object): Promise<string> => {
      const reply = await api('PATCH', `${endpoint}?update_mask=${mask}`, { spec: fields })
      expect(reply.status).toBe(200)
      return reply.body.name
    }
    const badly = () =>
      patch('spec.settings.pg_settings', { settings: { pg_settings: { shared_buffers: 'a lot' } } })
    const [refused, taken] = [
      await badly(),
      await patch('spec.suspend_timeout_duration', { suspend_timeout_duration: '777s' }),
    ]
    await expect(server.follow(refused)).rejects.toThrow()
    await server.follow(taken)
    const { body } = await api('GET', endpoint)
    expect(body.status.suspend_timeout_duration).toBe('777s')
    await server.sql(`${store}/branches/tuned`, 'select 1')
    await badly()
    const deleted = await api('DELETE', `${store}/branches/tuned?purge=true`)
    await server.follow(deleted.body.name)
    await nothingLeftOver()
  })

  test('logins while their branch is deleted: none brings its compute back', async () => {
    await server.write('POST', `${store}/branches?branch_id=popular`, spec)
    const branch = `${store}/branches/popular`
    const { body } = await api('GET', `${branch}/endpoints/primary`)
    const credential = await server.credential(branch)
    const me = await server.api('GET', '/api/2.0/preview/scim/v2/Me')
    let isOver = false
    const visitors = Array.from({ length: 6 }, async () => {
      while (!isOver) {
        const client = newClient(body.status.hosts.host, me.body.userName, credential)
        await client.connect().catch(() => undefined)
        await client.end().catch(() => undefined)
      }
    })
    await delay(300)
    await server.write('DELETE', branch)
    await delay(300)
    isOver = true
    await Promise.all(visitors)
    const left = server
      .processes()
      .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(body.uid))
    expect(left).toEqual([])
  })
})

describe('a second server on the same state directory', () => {
  test('refuses to start, and the first goes on', async () => {
    const program = resolve(import.meta.dirname, '../../dist/main/lakelet.js')
    const second = spawn(process.execPath, [program, 'up', `--state-dir=${server.stateDir}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    second.stderr.on('data', (bytes: Buffer) => {
      said += bytes.toString()
    })
    const code = await new Promise((done) => second.once('exit', done))
    expect(said).toContain('another Lakelet server is running')
    expect(code).toBe(1)
    expect(await stateOf('production')).toBe('READY')
    await server.sql(`${store}/branches/production`, 'select 1')
  })
})

describe('a signal during the start', () => {
  test('ends it in order, and the next start works', async () => {
    await server.stop()
    for (const wait of [100, 700, 1500]) {
      await server.launchOnly()
      await delay(wait)
      await server.stop()
      expect(server.processes()).toEqual([])
    }
    await server.launch()
    await server.sql(`${store}/branches/production`, 'select 1')
  })
})
