/** Delete, undelete and purge of branches and projects: hidden at once, back whole, or gone for good. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { refusal } from '../fixtures/refusal.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'
const branches = `${store}/branches`

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(async () => {
  await server?.dispose()
})

const get = async (path: string) => (await server.api('GET', `/api/2.0/postgres/${path}`)).body
const make = (id: string, spec: object = { ttl: '1h' }) =>
  server.write('POST', `${branches}?branch_id=${id}`, { spec })
const listed = async (path: string, kind: 'branches' | 'projects') =>
  (await get(path))[kind].map(({ name }: { name: string }) => name)
const numbers = async (branch: string) =>
  (await server.sql(branch, 'select n from kept order by n')).rows.map(({ n }) => n)

describe('a deleted branch', () => {
  test('is out of sight at once, shown when asked for, and comes back whole', async () => {
    const made = await make('lost')
    const endpoint = await get(`${made.name}/endpoints/primary`)
    await server.sql(made.name, 'create table kept (n int); insert into kept values (1), (2)')
    const session = await server.connect(made.name)
    const credential = await server.credential(made.name)
    await server.write('DELETE', made.name)

    await expect(session.query('select 1')).rejects.toThrow(/terminat|connection error/i)
    expect((await refusal(server, 'GET', made.name)).status).toBe(404)
    expect(await listed(branches, 'branches')).not.toContain(made.name)
    const { branches: shown } = await get(`${branches}?show_deleted=true`)
    const deleted = shown.find(({ uid }: { uid: string }) => uid === made.uid)
    expect(deleted.status.current_state).toBe('DELETED')
    const kept = Date.parse(deleted.status.purge_time) - Date.parse(deleted.status.delete_time)
    expect(kept).toBe(7 * 86_400_000)
    const refused = await refusal(server, 'POST', 'credentials', {
      endpoint: `${made.name}/endpoints/primary`,
    })
    expect(refused.status).toBe(404)

    // Across a restart, since that is what people do when something is missing.
    await server.stop()
    await server.launch()
    const back = await server.write('POST', `${made.name}/undelete`)
    expect(back.uid).toBe(made.uid)
    expect(back.status).toMatchObject({ current_state: 'READY' })
    expect(back.status.expire_time).toBeUndefined()
    expect(back.status.purge_time).toBeUndefined()
    const again = await get(`${made.name}/endpoints/primary`)
    expect([again.uid, again.status.hosts]).toEqual([endpoint.uid, endpoint.status.hosts])
    const client = await server.connect(made.name, { credential })
    expect((await client.query('select count(*)::int as n from kept')).rows).toEqual([{ n: 2 }])
    await client.end()
    await server.write('DELETE', `${made.name}?purge=true`)
  })

  test('frees its id at once; the first comes back when the second is gone', async () => {
    const first = await make('twice')
    await server.sql(first.name, 'create table kept (n int); insert into kept values (1)')
    const started = await server.api('DELETE', `/api/2.0/postgres/${first.name}`)
    const second = await make('twice') // without waiting for the delete
    expect(second.uid).not.toBe(first.uid)
    await server.follow(started.body.name)
    await server.sql(second.name, 'create table kept (n int); insert into kept values (2)')
    const refused = await refusal(server, 'POST', `${first.name}/undelete`)
    expect(refused).toMatchObject({ status: 409, code: 'ALREADY_EXISTS' })
    await server.write('DELETE', `${second.name}?purge=true`)
    await server.write('POST', `${first.name}/undelete`)
    expect(await numbers(first.name)).toEqual([1])
    await server.write('DELETE', `${first.name}?purge=true`)
  })

  test('of which there are two of one id: the one deleted last comes back', async () => {
    for (const n of [1, 2]) {
      const { name } = await make('layers')
      await server.sql(name, `create table kept (n int); insert into kept values (${n})`)
      await server.write('DELETE', name)
    }
    await server.write('POST', `${branches}/layers/undelete`)
    expect(await numbers(`${branches}/layers`)).toEqual([2])
    await server.write('DELETE', `${branches}/layers?purge=true`)
    await server.write('POST', `${branches}/layers/undelete`)
    expect(await numbers(`${branches}/layers`)).toEqual([1])
    await server.write('DELETE', `${branches}/layers?purge=true`)
  })

  test('that is purged is gone with its files and does not come back', async () => {
    const { uid: project } = await get(store)
    const made = await make('purged')
    const places = ['pool', 'wal'].map((room) => join(server.stateDir, room, project, made.uid))
    expect(places.every(existsSync)).toBe(true)
    await server.write('DELETE', `${made.name}?purge=true`)
    await eventually('its files are gone', () => !places.some(existsSync))
    expect(await listed(`${branches}?show_deleted=true`, 'branches')).not.toContain(made.name)
    expect((await refusal(server, 'POST', `${made.name}/undelete`)).status).toBe(404)
  })

  test('that never was one is refused in words', async () => {
    const never = await refusal(server, 'POST', `${branches}/production/undelete`)
    expect(never.text).toMatch(/not deleted.*nothing to undelete/)
    expect((await refusal(server, 'POST', `${branches}/never-made/undelete`)).status).toBe(404)
  })

  test('does not keep its source from being deleted', async () => {
    const source = await make('source')
    const child = await make('child', { ttl: '1h', source_branch: 'source' })
    await server.write('DELETE', child.name)
    await server.write('DELETE', `${source.name}?purge=true`)
    const back = await server.write('POST', `${child.name}/undelete`)
    expect(back.status.source_branch).toBe(source.name)
    await server.sql(child.name, 'select 1')
    await server.write('DELETE', `${child.name}?purge=true`)
  })
})

describe('a deleted project', () => {
  test('is hidden with all its branches, holds its id, and comes back whole', async () => {
    const made = await server.write('POST', 'projects?project_id=app', {})
    const production = `${made.name}/branches/production`
    await server.sql(production, 'create table kept (n int); insert into kept values (7)')
    const dev = await server.write('POST', `${made.name}/branches?branch_id=dev`, {
      spec: { no_expiry: true },
    })
    const credential = await server.credential(dev.name)
    const { host } = (await get(`${dev.name}/endpoints/primary`)).status.hosts
    await server.write('DELETE', made.name)

    expect((await refusal(server, 'GET', made.name)).status).toBe(404)
    expect((await refusal(server, 'GET', `${made.name}/branches`)).status).toBe(404)
    expect(await listed('projects', 'projects')).not.toContain(made.name)
    expect(await listed('projects?show_deleted=true', 'projects')).toContain(made.name)
    const taken = await refusal(server, 'POST', 'projects?project_id=app', {})
    expect(taken).toMatchObject({ status: 409, text: expect.stringMatching(/until it is purged/) })
    await server.stop()
    expect(server.processes()).toEqual([])
    await server.launch()

    await server.write('POST', `${made.name}/undelete`)
    expect((await get(made.name)).uid).toBe(made.uid)
    expect(await numbers(production)).toEqual([7])
    const client = await server.connect(dev.name, { credential })
    expect((await client.query('select n from kept')).rows).toEqual([{ n: 7 }])
    expect((await get(`${dev.name}/endpoints/primary`)).status.hosts.host).toBe(host)
    await client.end()

    const twice = await refusal(server, 'POST', `${made.name}/undelete`)
    expect(twice.text).toMatch(/not deleted/)
    await server.write('DELETE', `${made.name}?purge=true`)
    await eventually('its files are gone', () =>
      ['pool', 'wal'].every((room) => !existsSync(join(server.stateDir, room, made.uid))),
    )
    expect((await refusal(server, 'POST', `${made.name}/undelete`)).status).toBe(404)
    const next = await server.write('POST', 'projects?project_id=app', {})
    expect(next.uid).not.toBe(made.uid)
  })
})

test('in the end nothing is half made', async () => {
  await nothingHalfMade(server)
})
