/**
 * A thousand projects with ten branches each, listed page by page while others come and go. The rows are
 * written into the catalog: what is asked of are the lists, not ten thousand Postgres clusters.
 */
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
let catalog: pg.Client
const projects = 1000
const branches = 10

const columnsOf = async (table: string): Promise<readonly string[]> => {
  const { rows } = await catalog.query(
    `select column_name as name from information_schema.columns where table_name = $1 and table_schema = 'public'`,
    [table],
  )
  return rows.map(({ name }) => `"${name}"`)
}
/** SQL for the uid of a project. */
const uidOf = (text: string): string => `md5((${text})::text)::uuid::text`
const branchUid = `'br-made-many-' || lpad(to_hex(p * 100 + b), 8, '0')`
/** Copies one row many times; `changes` are SQL expressions over `p` and `b`. */
async function multiply(
  table: string,
  where: string,
  changes: Readonly<Record<string, string>>,
): Promise<void> {
  const columns = await columnsOf(table)
  const values = columns.map((column) => changes[column.slice(1, -1)] ?? `t.${column}`)
  await catalog.query(
    `insert into ${table} (${columns.join(', ')}) select ${values.join(', ')}
       from (select * from ${table} where ${where} limit 1) t, generate_series(1, ${projects}) p
       ${table === 'projects' ? '' : `, generate_series(1, ${branches}) b`}`,
  )
}

beforeAll(async () => {
  server = await TestServer.start({ storage: 'copy' })
  catalog = new pg.Client({
    host: join(server.stateDir, 'run/catalog'),
    user: 'cloud_admin',
    database: 'lakelet',
  })
  await catalog.connect()
  await multiply('projects', 'true', {
    uid: uidOf('p'),
    project_id: `'many-' || p`,
    default_branch_uid: 'null',
  })
  await multiply('branches', 'source_branch_uid is null', {
    uid: branchUid,
    volume_uid: branchUid,
    project_uid: uidOf('p'),
    branch_id: `'branch-' || b`,
  })
})
afterAll(async () => {
  await catalog?.end()
  await server?.dispose()
})

async function allOf(
  path: string,
  key: string,
  size: number,
  between: (page: number) => Promise<void> = async () => {},
): Promise<readonly string[]> {
  const names: string[] = []
  let token = ''
  for (let page = 0; page < 2000; page += 1) {
    const query = `page_size=${size}${token && `&page_token=${encodeURIComponent(token)}`}`
    const { status, body } = await server.api('GET', `/api/2.0/postgres/${path}?${query}`)
    expect(status).toBe(200)
    const items: readonly { readonly name: string }[] = body[key]
    expect(items.length).toBeLessThanOrEqual(size)
    names.push(...items.map(({ name }) => name))
    token = body.next_page_token ?? ''
    if (token === '') return names
    await between(page)
  }
  throw new Error('the list does not end')
}

test('every project is listed exactly once, whatever the size of a page', async () => {
  for (const size of [100, 37]) {
    const names = await allOf('projects', 'projects', size)
    expect(names.length).toBe(projects + 1)
    expect(new Set(names).size).toBe(names.length)
  }
})

test('a page holds at most 100 projects, and a size of its own when none is asked for', async () => {
  const { body } = await server.api('GET', '/api/2.0/postgres/projects?page_size=1000')
  expect(body.projects.length).toBe(100)
  const { body: unasked } = await server.api('GET', '/api/2.0/postgres/projects')
  expect(unasked.projects.length).toBe(100)
})

test('projects that stay are listed exactly once while others come and go', async () => {
  const gone = (id: string) =>
    catalog.query(`update projects set delete_time = now() where project_id = $1`, [id])
  const names = await allOf('projects', 'projects', 50, async (page) => {
    await gone(`many-${page * 17 + 1}`)
    await catalog.query(
      `insert into projects select (jsonb_populate_record(p, jsonb_build_object(
         'uid', ${uidOf(`'late' || $1::text`)}, 'project_id', 'aa-' || $1::text))).*
         from projects p where project_id = 'many-1000'`,
      [page],
    )
  })
  expect(new Set(names).size).toBe(names.length)
  const { rows } = await catalog.query(
    `select 'projects/' || project_id as name from projects
      where delete_time is null and project_id not like 'aa-%'`,
  )
  const listed = new Set(names)
  expect(rows.filter(({ name }) => !listed.has(name))).toEqual([])
})

test('the branches of any project are all there, in order', async () => {
  for (const id of ['many-2', 'many-500', 'many-999']) {
    const names = await allOf(`projects/${id}/branches`, 'branches', 3)
    expect(names.length).toBe(branches)
    expect(names).toEqual([...names].sort())
  }
})
