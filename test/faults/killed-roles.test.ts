/**
 * The server is killed at every failpoint that creates, changes and deletes of roles and databases
 * pass, twice each. After a restart the operation has ended, and Postgres and the API agree: what was
 * made is there once, what was deleted is gone, and nothing half-made is left.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const branch = 'projects/store/branches/production'
const trace = () => join(server.stateDir, 'failpoints')

beforeAll(async () => {
  server = await TestServer.start()
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
})
afterAll(async () => {
  await server?.dispose()
})

interface Write {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** SQL in this database before it, as the owner of the server. */
  readonly sql?: readonly [database: string, text: string]
}

/** The writes of a whole life, one after another, on names of their own. */
const life = (n: string): readonly Write[] => [
  {
    method: 'POST',
    path: `${branch}/roles?role_id=r-${n}`,
    body: { spec: { postgres_role: `r-${n}`, attributes: { createdb: true } } },
  },
  {
    method: 'PATCH',
    path: `${branch}/roles/r-${n}?update_mask=spec.attributes.bypassrls`,
    body: { spec: { attributes: { bypassrls: true } } },
  },
  {
    method: 'POST',
    path: `${branch}/databases?database_id=d-${n}`,
    body: { spec: { postgres_database: `d-${n}`, role: `${branch}/roles/r-${n}` } },
  },
  {
    method: 'PATCH',
    path: `${branch}/databases/d-${n}?update_mask=spec.postgres_database`,
    body: { spec: { postgres_database: `e-${n}` } },
  },
  {
    method: 'POST',
    path: `${branch}/roles?role_id=heir-${n}`,
    body: { spec: { postgres_role: `heir-${n}` } },
  },
  {
    method: 'DELETE',
    path: `${branch}/roles/r-${n}?reassign_owned_to=heir-${n}`,
    sql: [`e-${n}`, `create table kept (); alter table kept owner to "r-${n}"`],
  },
  { method: 'DELETE', path: `${branch}/databases/d-${n}` },
  { method: 'DELETE', path: `${branch}/roles/heir-${n}` },
]

async function prepare({ sql }: Write): Promise<void> {
  if (sql === undefined) return
  const client = await server.connect(branch, { database: sql[0] })
  await client.query(sql[1])
  await client.end()
}

async function write(one: Write): Promise<void> {
  await prepare(one)
  await server.write(one.method, one.path, one.body)
}

/** What Postgres and the API hold of this life. */
async function seen(n: string) {
  const { rows } = await server.sql(
    branch,
    `select rolname as name from pg_roles where rolname like '%-${n}'
     union all select datname from pg_database where datname like '%-${n}' or datname like 'lakelet-draft-%'
     order by 1`,
  )
  const list = async (kind: 'roles' | 'databases', field: string) => {
    const { body } = await server.api('GET', `/api/2.0/postgres/${branch}/${kind}?page_size=1000`)
    return body[kind]
      .map(({ status }: { status: Record<string, string> }) => status[field])
      .filter((name: string) => name.endsWith(`-${n}`))
  }
  return {
    postgres: rows.map(({ name }) => name),
    api: [
      ...(await list('roles', 'postgres_role')),
      ...(await list('databases', 'postgres_database')),
    ].sort(),
  }
}

/** What is there after each write of a life. */
const after = (n: string): readonly (readonly string[])[] => [
  [`r-${n}`],
  [`r-${n}`],
  [`d-${n}`, `r-${n}`],
  [`e-${n}`, `r-${n}`],
  [`e-${n}`, `heir-${n}`, `r-${n}`],
  [`e-${n}`, `heir-${n}`],
  [`heir-${n}`],
  [],
]

test('at every failpoint, twice: each write is done, once', async () => {
  await server.stop()
  await server.launch({ LAKELET_FAILPOINT_TRACE: trace() })
  const firstOf: { readonly name: string; readonly step: number }[] = []
  for (const [step, one] of life('probe').entries()) {
    const before = existsSync(trace()) ? readFileSync(trace(), 'utf8').length : 0
    await write(one)
    const passed = readFileSync(trace(), 'utf8').slice(before).split('\n')
    // Before its first step an operation is as it was accepted, which others try.
    const ours = passed.filter(
      (name) =>
        /^(roles\.|[a-z]+-(role|database)\.)/.test(name) && !/(make|change|find):before/.test(name),
    )
    firstOf.push(...ours.map((name) => ({ name, step })))
  }
  const names = firstOf.map(({ name }) => name)
  expect(names).toEqual(
    expect.arrayContaining([
      'create-role.make:after',
      'update-role.change:after',
      'roles.create-database:drafted',
      'create-database.make:after',
      'update-database.change:after',
      'roles.delete-role:reassigned',
      'delete-role.drop:after',
      'roles.delete-database:dropped',
      'delete-database.drop:after',
    ]),
  )
  expect(names.length).toBeGreaterThan(15)

  for (const [index, { name, step }] of firstOf.entries()) {
    const n = `k${index}`
    const writes = life(n)
    for (const one of writes.slice(0, step)) await write(one)
    const killed = writes[step]
    if (killed === undefined) throw new Error('no such write')
    await prepare(killed)
    await server.kill() // computes and catalog go on and are adopted
    await server.launch({ LAKELET_FAILPOINTS: `${name}=kill` })
    const accepted = await server
      .api(killed.method, `/api/2.0/postgres/${killed.path}`, killed.body)
      .catch(() => undefined)
    await eventually(`${name}: killed`, () => server.isGone)
    // Dies once more at the same place, when it resumes; then it is let live.
    await server.launchOnly({ LAKELET_FAILPOINTS: `${name}=kill` })
    let isArmed = true
    await eventually(`${name}: settled`, async () => {
      if (server.isGone) {
        await server.launch()
        isArmed = false
      }
      if (!server.isUp) return false
      try {
        // An answer that was cut off may belong to a write that was accepted: it is done all the same.
        if (accepted === undefined) return (await seen(n)).api.join() === after(n)[step]?.join()
        const { body } = await server.api('GET', `/api/2.0/postgres/${accepted.body.name}`)
        return body.done === true
      } catch {
        return false // it died once more while it answered
      }
    })
    if (accepted !== undefined) {
      expect(accepted.status, name).toBe(200)
      const { body } = await server.api('GET', `/api/2.0/postgres/${accepted.body.name}`)
      expect(body, name).not.toHaveProperty('error')
    }
    const expected = after(n)[step] ?? []
    expect(await seen(n), name).toEqual({ postgres: expected, api: expected })
    if (step === 1) {
      const { body } = await server.api('GET', `/api/2.0/postgres/${branch}/roles/r-${n}`)
      expect(body.status.attributes, name).toEqual({
        createdb: true,
        createrole: false,
        bypassrls: true,
      })
    }
    if (isArmed) {
      await server.kill()
      await server.launch()
    }
    for (const one of writes.slice(step + 1)) await write(one)
    expect(await seen(n), name).toEqual({ postgres: [], api: [] })
  }
}, 900_000)
