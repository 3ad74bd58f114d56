/** The audit log of a real server: who did what, also in vain; who may read it; no secret in it. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'
const production = `${store}/branches/production`
const branches = `${store}/branches`
const marked = 'MARKED-SECRET-8c1f'

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(async () => {
  await server?.dispose()
})

interface Entry {
  readonly seq: number
  readonly action: string
  readonly resource: string
  readonly resource_uid?: string
  readonly result: string
  readonly reason?: string
  readonly operation?: string
  readonly actor: { kind: string; uid?: string; name?: string; agent?: string }
  readonly origin: {
    remote_address?: string
    user_agent?: string
    request_id?: string
    trace_id?: string
  }
  readonly changed_fields: readonly string[]
  readonly details: Readonly<Record<string, unknown>>
  readonly count: number
}

const ask = (query: string, token = server.token) =>
  server.api('GET', `/api/lakelet/v1/audit?${query}`, undefined, { token })

async function entries(query: string): Promise<readonly Entry[]> {
  const { status, body } = await ask(query)
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body.entries
}

const owner = async () =>
  (await server.api('GET', '/api/2.0/preview/scim/v2/Me')).body.userName as string

/** A connection to the embedded catalog, as nobody but whoever owns the machine has it. */
async function catalogSql<T extends pg.QueryResultRow>(text: string): Promise<readonly T[]> {
  const [directory = ''] = readdirSync(join(server.stateDir, 'run'))
    .filter((name) => name === 'catalog')
    .map((name) => join(server.stateDir, 'run', name))
  const client = new pg.Client({ host: directory, user: 'cloud_admin', database: 'lakelet' })
  await client.connect()
  try {
    return (await client.query<T>(text)).rows
  } finally {
    await client.end()
  }
}

describe('the first start', () => {
  test('tells of the owner, the owner’s token and the first project', async () => {
    const me = await owner()
    const found = (await entries('page_size=100')).toReversed()
    expect(found.slice(0, 2)).toMatchObject([
      {
        seq: 1,
        action: 'create-identity',
        resource: `identities/${me}`,
        actor: { kind: 'SYSTEM' },
      },
      { seq: 2, action: 'create-access-token', details: { for: me }, result: 'succeeded' },
    ])
    expect(found.filter(({ action }) => action === 'create-project')).toMatchObject([
      { resource: store, result: 'accepted', actor: { name: me } },
      { resource: store, result: 'succeeded', actor: { name: me } },
    ])
  })
})

describe('a write', () => {
  test('is told with who, what, whence, the agent and the fields by name; its end is a line too', async () => {
    const { body: accepted } = await server.api(
      'POST',
      `/api/2.0/postgres/${branches}?branch_id=told`,
      { spec: { ttl: '1h' } },
      {
        headers: {
          'user-agent': 'databricks-sdk-go/0.175.0 agent/claude-code auth/pat',
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        },
      },
    )
    await server.follow(accepted.name)
    const branch = (await server.api('GET', `/api/2.0/postgres/${branches}/told`)).body
    const found = await entries(`resource=${branches}/told`)
    expect(found).toMatchObject([
      {
        action: 'create-branch',
        result: 'succeeded',
        resource_uid: branch.uid,
        operation: accepted.name,
        actor: { name: await owner(), kind: 'USER' },
      },
      {
        action: 'create-branch',
        result: 'accepted',
        resource_uid: branch.uid,
        operation: accepted.name,
        changed_fields: ['expiration'],
        actor: { name: await owner(), kind: 'USER', agent: 'claude-code' },
        origin: {
          remote_address: '127.0.0.1',
          user_agent: 'databricks-sdk-go/0.175.0 agent/claude-code auth/pat',
          trace_id: '0af7651916cd43dd8448eb211c80319c',
          request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        },
        count: 1,
      },
    ])
    expect(await entries('who=claude-code')).toHaveLength(1)
  })

  test('that is over when it is accepted is one line', async () => {
    await server.write('PATCH', `${store}?update_mask=spec.display_name,spec.custom_tags`, {
      spec: { display_name: marked, custom_tags: [{ key: 'k', value: marked }] },
    })
    const found = await entries(`resource=${store}&action=update-project`)
    expect(found).toMatchObject([
      { result: 'succeeded', changed_fields: ['display_name', 'custom_tags'] },
    ])
  })

  test('that is refused is told with its reason; repetitions are counted, not written each', async () => {
    const path = `/api/2.0/postgres/${branches}?branch_id=production`
    for (let n = 0; n < 30; n += 1) {
      expect((await server.api('POST', path, { spec: { ttl: '1h' } })).status).toBe(409)
    }
    const found = await entries('result=refused&action=create-branch')
    expect(found).toMatchObject([
      { resource: production, reason: 'BRANCH_EXISTS', actor: { name: await owner() }, count: 1 },
    ])
  })

  test('whose body cannot be read is told too', async () => {
    await server.api('POST', `/api/2.0/postgres/${branches}?branch_id=x`, '{"spec": ')
    expect(await entries('action=request')).toMatchObject([
      {
        resource: branches,
        reason: 'BODY_NOT_JSON',
        result: 'refused',
        details: { method: 'POST' },
      },
    ])
  })

  test('a read is not told', async () => {
    const [before] = await entries('page_size=1')
    await server.api('GET', `/api/2.0/postgres/${production}`)
    await server.api('GET', `/api/2.0/postgres/${store}/branches/never-made`)
    expect(await entries(`after=${before?.seq}`)).toEqual([])
  })
})

describe('who comes in', () => {
  test('a wrong access token is told, without the token', async () => {
    await server.api('GET', `/api/2.0/postgres/${store}`, undefined, { token: marked })
    expect(await entries('action=authenticate')).toMatchObject([
      {
        result: 'refused',
        reason: 'UNAUTHENTICATED',
        actor: { kind: 'UNKNOWN' },
        origin: { remote_address: '127.0.0.1' },
      },
    ])
  })

  test('a credential is told by its id, and so is the log-in with it', async () => {
    const endpoint = `${production}/endpoints/primary`
    const client = await server.connect(production)
    await client.end()
    const [credential] = await entries('action=create-credential')
    expect(credential).toMatchObject({
      resource: endpoint,
      resource_uid: expect.stringMatching(/^ep-/),
      result: 'succeeded',
      details: { token_id: expect.any(String), expire_time: expect.any(String) },
    })
    expect(await entries('action=login&result=succeeded')).toMatchObject([
      {
        resource: endpoint,
        resource_uid: credential?.resource_uid,
        actor: { kind: 'USER', name: await owner() },
        origin: { remote_address: expect.stringMatching(/^127\./) },
        details: {
          database: 'databricks_postgres',
          proof: 'token',
          token_id: credential?.details.token_id,
        },
      },
    ])
  })

  test('a log-in that is refused is told, by the name that was claimed', async () => {
    await expect(
      server.connect(production, { user: 'mallory@example.com', credential: marked }),
    ).rejects.toThrow()
    expect(await entries('who=mallory@example.com')).toMatchObject([
      {
        action: 'login',
        result: 'refused',
        reason: 'LOGIN_FAILED',
        resource: `${production}/endpoints/primary`,
        actor: { kind: 'UNKNOWN' },
      },
    ])
  })

  test('a wrong password of a role of Postgres’s own is told: the gateway judges it alone', async () => {
    await server.write('PATCH', `${store}?update_mask=spec.enable_pg_native_login`, {
      spec: { enable_pg_native_login: true },
    })
    await server.sql(production, `create role app login password '${marked}'`)
    await expect(
      server.connect(production, { user: 'app', credential: 'not the password' }),
    ).rejects.toThrow()
    await (await server.connect(production, { user: 'app', credential: marked })).end()
    await eventually('both are told', async () => (await entries('who=app')).length === 2)
    expect(await entries('who=app')).toMatchObject([
      { result: 'succeeded', actor: { kind: 'USER' }, details: { proof: 'password' } },
      {
        result: 'refused',
        actor: { kind: 'UNKNOWN' },
        resource: `${production}/endpoints/primary`,
      },
    ])
  })
})

describe('identities', () => {
  test('their creation, tokens, permissions and deletion are told', async () => {
    const token = await server.identity('ann@example.com', 'CAN_USE')
    const [made] = await entries('action=create-identity&resource=identities/ann@example.com')
    expect(made).toMatchObject({ resource_uid: expect.any(String), details: { kind: 'USER' } })
    expect(await entries('action=create-access-token&page_size=1')).toMatchObject([
      { details: { for: 'ann@example.com', lifetime_seconds: 3600 } },
    ])
    expect(await entries('action=set-access')).toMatchObject([
      { resource: store, details: { replace: false, access: ['ann@example.com CAN_USE'] } },
    ])
    const users = '/api/2.0/preview/scim/v2/Users'
    const refused = await server.api('POST', users, { userName: 'b@example.com' }, { token })
    expect(refused.status).toBe(403)
    expect(await entries('who=ann@example.com')).toMatchObject([
      { action: 'create-identity', result: 'refused', reason: 'ADMINISTRATORS_ONLY' },
    ])
    await server.api('DELETE', `${users}/${made?.resource_uid}`)
    expect(await entries('action=delete-identity')).toMatchObject([
      { resource: 'identities/ann@example.com', resource_uid: made?.resource_uid },
    ])
  })
})

describe('the end of a branch', () => {
  test('is told as the server’s own doing', async () => {
    await server.write('POST', `${branches}?branch_id=short`, { spec: { ttl: '4s' } })
    await eventually(
      'it is purged',
      async () => (await entries(`resource=${branches}/short&action=delete-branch`)).length === 1,
    )
    expect(await entries(`resource=${branches}/short`)).toMatchObject([
      { action: 'delete-branch', result: 'succeeded', actor: { kind: 'SYSTEM' } },
      { action: 'expire-branch', result: 'accepted', actor: { kind: 'SYSTEM' } },
      { action: 'warn-of-end', result: 'succeeded', actor: { kind: 'SYSTEM' } },
      { action: 'create-branch', result: 'succeeded' },
      { action: 'create-branch', result: 'accepted' },
    ])
  })
})

describe('reading it', () => {
  test('pages are newest first, and no line is on two', async () => {
    const all = await entries('page_size=1000')
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, at) => all.length - at))
    const seen: number[] = []
    for (let token = ''; ; ) {
      const { body } = await ask(`page_size=7&page_token=${token}`)
      seen.push(...body.entries.map(({ seq }: Entry) => seq))
      token = body.next_page_token ?? ''
      if (token === '') break
    }
    expect(seen.slice(-all.length)).toEqual(all.map(({ seq }) => seq))
    expect((await ask('page_token=nonsense')).status).toBe(400)
  })

  test('from and to bound the time; unknown results are refused with those there are', async () => {
    const now = new Date().toISOString()
    expect(await entries(`from=${now}`)).toEqual([])
    expect((await entries(`to=${now}&page_size=1`)).length).toBe(1)
    expect((await ask('result=fine')).body.message).toMatch(/accepted, succeeded, failed, refused/)
  })

  test('a manager reads the lines of the project, others are told what they lack', async () => {
    const [manager, user, stranger] = [
      await server.identity('manager@example.com', 'CAN_MANAGE'),
      await server.identity('user@example.com', 'CAN_USE'),
      await server.identity('stranger@example.com', undefined),
    ]
    const { body, status } = await ask(`resource=${store}&page_size=1000`, manager)
    expect(status).toBe(200)
    expect(body.entries.length).toBeGreaterThan(10)
    expect(body.entries.every(({ resource }: Entry) => resource.startsWith(store))).toBe(true)
    expect(await ask('', manager)).toMatchObject({
      status: 403,
      body: { message: expect.stringMatching(/resource=projects\/NAME/) },
    })
    expect(await ask(`resource=${store}`, user)).toMatchObject({
      status: 403,
      body: { message: expect.stringMatching(/CAN_MANAGE/) },
    })
    expect((await ask(`resource=${store}`, stranger)).status).toBe(404)
    expect((await ask('resource=identities', manager)).status).toBe(403)
    const verify = await server.api('GET', '/api/lakelet/v1/audit/verify', undefined, {
      token: manager,
    })
    expect(verify.status).toBe(403)
  })
})

describe('the command', () => {
  const program = resolve(import.meta.dirname, '../../dist/main/lakelet.js')
  const lakelet = (...args: string[]) =>
    execFileSync(process.execPath, [program, `--state-dir=${server.stateDir}`, ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, CURSOR_AGENT: '1', NO_COLOR: '1' },
    })

  test('tells the server which agent runs it, and shows a table', async () => {
    lakelet('postgres', 'create-branch', store, 'by-agent', '--ttl', '1h')
    const table = lakelet('audit', '--since', '1h', '--who', 'cursor')
    expect(table).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}\S+ \(cursor\) {2}create-branch {2}projects\/store\/branches\/by-agent {2}accepted {2}expiration\n$/,
    )
    const json = JSON.parse(lakelet('audit', '-o', 'json', '--limit', '3')) as readonly Entry[]
    expect(json).toHaveLength(3)
    expect(json[0]?.seq).toBeLessThan(json[2]?.seq ?? 0)
  })

  test('verifies the chain, also against what was kept', () => {
    const said = lakelet('audit', 'verify')
    const kept = /--kept (\d+:[0-9a-f]{64})/.exec(said)?.[1] ?? ''
    expect(said).toMatch(/^\d+ entries, 1 to \d+: each follows/)
    expect(lakelet('audit', 'verify', '--kept', kept)).toMatch(/each follows/)
    const other = `${kept.split(':')[0]}:${'0'.repeat(64)}`
    expect(() => lakelet('audit', 'verify', '--kept', other)).toThrow(/Command failed/)
  })
})

describe('secrets', () => {
  test('are nowhere: not in the audit log, not in the logs of the server', async () => {
    const endpoint = { endpoint: `${production}/endpoints/primary` }
    const credential = await server.credential(production)
    const made = await server.api('POST', '/api/2.0/token/create', { comment: marked })
    const setting = { spec: { settings: { pg_settings: { 'lakelet.probe': marked } } } }
    await server.api(
      'PATCH',
      `/api/2.0/postgres/${production}/endpoints/primary?update_mask=*`,
      setting,
    )
    await server.api('POST', '/api/2.0/postgres/credentials', endpoint, { token: marked })
    await server.api('POST', `/api/2.0/postgres/${branches}?branch_id=y`, `{"spec": "${marked}`)
    await expect(
      server.connect(production, { user: 'ann@example.com', credential: marked }),
    ).rejects.toThrow()
    await entries('page_size=1')
    const rows = await catalogSql<{ line: string }>('select a::text as line from audit a')
    const dump = rows.map(({ line }) => line).join('\n')
    expect(rows.length).toBeGreaterThan(40)
    for (const secret of [marked, credential, made.body.token_value, server.token]) {
      expect(dump).not.toContain(secret)
    }
    const logs = readdirSync(join(server.stateDir, 'log'))
      .filter((name) => name.endsWith('.log'))
      .map((name) => readFileSync(join(server.stateDir, 'log', name), 'utf8'))
      .join('\n')
    expect(logs.length).toBeGreaterThan(1000)
    for (const secret of [marked, credential, made.body.token_value, server.token]) {
      expect(logs).not.toContain(secret)
    }
  })
})

describe('tampering', () => {
  test('is refused by the table, and shows when somebody gets around that', async () => {
    for (const text of [
      "update audit set actor_name = 'somebody@example.com' where seq = 3",
      'delete from audit where seq = 3',
      'truncate audit',
    ]) {
      await expect(catalogSql(text)).rejects.toThrow(/append-only/)
    }
    await catalogSql(`
      begin; alter table audit disable trigger all;
      update audit set actor_name = 'somebody@example.com' where seq = 3;
      alter table audit enable always trigger audit_keep; commit`)
    const { body } = await server.api('GET', '/api/lakelet/v1/audit/verify')
    expect(body).toMatchObject({ verified: false, broken: { seq: 3 } })
  })
})
