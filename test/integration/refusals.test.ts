/** Bad input over a real connection: each refusal says what to do, and none leaves a trace. */
import { request } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { type RefusedCall, refusal } from '../fixtures/refusal.ts'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
let before: string
const store = 'projects/store'
const production = `${store}/branches/production`
const branches = `${store}/branches`

beforeAll(async () => {
  server = await TestServer.start()
  await server.write('POST', 'projects?project_id=other', {})
  before = await everything()
})
afterAll(async () => {
  await server?.dispose()
})
/** Whatever was refused changed nothing that a client or the disk could show. */
afterEach(async () => {
  expect(await everything()).toBe(before)
})

async function everything(): Promise<string> {
  const shown: unknown[] = []
  for (const path of [
    'projects?show_deleted=true',
    `${branches}?show_deleted=true`,
    `${production}/endpoints`,
    'projects/other/branches?show_deleted=true',
  ]) {
    shown.push((await server.api('GET', `/api/2.0/postgres/${path}`)).body)
  }
  return JSON.stringify(shown, (key, value) => (movesByItself.has(key) ? undefined : value))
}

/** Endpoints tell of their use and projects with them; sizes are noted when a compute sleeps. */
const movesByItself: ReadonlySet<string> = new Set([
  'last_active_time',
  'compute_last_active_time',
  'logical_size_bytes',
  'current_state',
  'update_time',
  'state_change_time',
  'history', // begins a moment after the branch
])

const refuse = (method: string, path: string, body?: unknown) => refusal(server, method, path, body)
const create = (id: string, spec: unknown = { ttl: '1h' }) =>
  refuse('POST', `${branches}?branch_id=${encodeURIComponent(id)}`, { spec })

const invalid = (text: RegExp): RefusedCall => ({
  status: 400,
  code: 'INVALID_PARAMETER_VALUE',
  text: expect.stringMatching(text),
})

describe('names', () => {
  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['nothing', '', /is required/],
    ['64 characters', `b${'x'.repeat(63)}`, /1 to 63 lower case letters/],
    ['10 000 characters', 'x'.repeat(10_000), /1 to 63 lower case letters/],
    ['upper case', 'Feature', /must match pattern .* got 'Feature'.*1 to 63 lower case letters/],
    ['a digit first', '1st', /starting with a letter/],
    ['dots', '..', /1 to 63 lower case letters/],
    ['a path', '../../etc/passwd', /1 to 63 lower case letters/],
    ['a slash', 'a/b', /1 to 63 lower case letters/],
    ['NUL', 'a\u0000b', /NUL/],
    ['a line break', 'a\nb', /1 to 63 lower case letters/],
    ['an emoji', 'b🐘', /1 to 63 lower case letters/],
    ['a look-alike letter', 'bränch', /1 to 63 lower case letters/],
  ]

  test.each(bad)(
    '%s is no id of a project, branch or endpoint',
    async (_, id, text) => {
      const sent = encodeURIComponent(id)
      expect(await create(id)).toEqual(invalid(text))
      expect(await refuse('POST', `projects?project_id=${sent}`, {})).toEqual(invalid(text))
      expect(
        await refuse('POST', `${production}/endpoints?endpoint_id=${sent}`, {
          spec: { endpoint_type: 'ENDPOINT_TYPE_READ_WRITE' },
        }),
      ).toEqual(invalid(text))
      // An empty source is protobuf's way of saying none at all.
      if (id === '') return
      const child = await create('child', { ttl: '1h', source_branch: id })
      expect(child.code).toBe('INVALID_PARAMETER_VALUE')
    },
    20_000,
  )

  test.each(['%2e%2e', '..%2fother', 'a%00b', 'Production', '%F0%9F%90%98', 'x'.repeat(10_000)])(
    'in a path, %s finds nothing',
    async (segment) => {
      for (const method of ['GET', 'DELETE']) {
        const { status, body } = await rawRequest(
          method,
          `/api/2.0/postgres/${branches}/${segment}`,
        )
        expect([400, 404, 414, 431]).toContain(status)
        if (body !== '') expect(JSON.parse(body).error_code).toMatch(/^[A-Z_]+$/)
      }
    },
  )
})

/** `fetch` tidies paths up before it sends them; a hostile client does not. */
function rawRequest(method: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: server.apiPort,
        method,
        path,
        headers: { authorization: `Bearer ${server.token}` },
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (part: string) => {
          body += part
        })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      },
    )
    sent.on('error', reject).end()
  })
}

describe('the end of a branch', () => {
  const forms = /Send spec\.ttl as seconds \("21600s"\)/
  test.each<readonly [string, unknown, RegExp]>([
    ['nothing', {}, /Expiration must be specified.* Send one of spec\.ttl/],
    ['a ttl of 0', { ttl: '0s' }, forms],
    ['the number 0', { ttl: 0 }, forms],
    ['a negative ttl', { ttl: '-60s' }, forms],
    ['negative seconds', { ttl: { seconds: -60 } }, forms],
    ['31 days', { ttl: '2678400s' }, /exceeds the maximum.*The maximum is 30 days from now/],
    ['a thousand years', { ttl: '31536000000s' }, /exceeds the maximum/],
    ['"6 hours"', { ttl: '6 hours' }, /"6h"/],
    ['a ttl that is a list', { ttl: ['1h'] }, forms],
    ['a past moment', { expire_time: '2020-01-01T00:00:00Z' }, /not in the future/],
    ['a moment that is none', { expire_time: 'tomorrow' }, forms],
    ['no_expiry: false', { no_expiry: false }, forms],
    ['two ends', { ttl: '1h', no_expiry: true }, /ttl and no_expiry.*Send exactly one/],
    [
      'three ends',
      { ttl: '1h', no_expiry: true, expire_time: '2099-01-01T00:00:00Z' },
      /Send exactly one/,
    ],
  ])('cannot be %s', async (_, spec, text) => {
    expect(await create('ends', spec)).toEqual(invalid(text))
  })

  test('of the default branch cannot be set', async () => {
    const said = await refuse('PATCH', `${production}?update_mask=spec.ttl`, {
      spec: { ttl: '1h' },
    })
    expect(said).toMatchObject({ status: 400, text: expect.stringMatching(/no_expiry/) })
  })
})

describe('the source of a branch', () => {
  test.each<readonly [string, number, RegExp]>([
    ['never-made', 404, /branch id not found.*List the branches/],
    [`${store}/branches/never-made`, 404, /branch id not found/],
    ['projects/other/branches/production', 400, /must point to the branch from the same Project/],
    ['projects/never-made/branches/production', 400, /same Project/],
    ['projects/store', 400, /look like projects\/PROJECT\/branches\/BRANCH/],
  ])('cannot be %s', async (source, status, text) => {
    const said = await create('child', { ttl: '1h', source_branch: source })
    expect(said).toMatchObject({ status, text: expect.stringMatching(text) })
  })

  test('cannot be a branch of an unknown project', async () => {
    const said = await refuse('POST', 'projects/never-made/branches?branch_id=b', {
      spec: { ttl: '1h' },
    })
    expect(said).toMatchObject({ status: 404, text: expect.stringMatching(/List the projects/) })
  })

  test('cannot be a moment before its history, which is said', async () => {
    const said = await create('child', { ttl: '1h', source_branch_time: '2026-01-01T00:00:00Z' })
    expect(said).toMatchObject({ status: 400, text: expect.stringMatching(/history/) })
  })
})

describe('what stays', () => {
  test('a second read-write endpoint is not made', async () => {
    const spec = { endpoint_type: 'ENDPOINT_TYPE_READ_WRITE' }
    const said = await refuse('POST', `${production}/endpoints?endpoint_id=second`, { spec })
    expect(said).toEqual({
      status: 409,
      code: 'ALREADY_EXISTS',
      text: expect.stringMatching(/read_write endpoint already exists.*use primary/),
    })
    const again = await refuse('POST', `${production}/endpoints?endpoint_id=primary`, { spec })
    expect(again).toMatchObject({ status: 409, text: expect.stringMatching(/replace_existing/) })
  })

  test('primary is not deleted', async () => {
    const said = await refuse('DELETE', `${production}/endpoints/primary`)
    expect(said.text).toMatch(/Cannot delete read-write endpoint.*deleted with its branch/)
    expect(said.status).toBe(400)
  })

  test('an id that is taken is not made again', async () => {
    const said = await create('production')
    expect(said).toMatchObject({
      status: 409,
      text: expect.stringMatching(/replace_existing=true/),
    })
    expect(await refuse('POST', 'projects?project_id=other', {})).toMatchObject({ status: 409 })
  })

  test('default, protected, root and a branch with children are not deleted', async () => {
    const make = (id: string, spec: object) =>
      server.write('POST', `${branches}?branch_id=${id}`, { spec })
    const say = async (id: string) => (await refuse('DELETE', `${branches}/${id}?purge=true`)).text
    await make('stays', { no_expiry: true })
    await make('stays-child', { ttl: '1h', source_branch: 'stays' })
    expect(await say('stays')).toMatch(/stays-child.*Delete the child branches first/)
    await server.write('DELETE', `${branches}/stays-child?purge=true`)

    const protect = (on: boolean) =>
      server.write('PATCH', `${branches}/stays?update_mask=spec.is_protected`, {
        spec: { is_protected: on },
      })
    await protect(true)
    expect(await say('stays')).toMatch(/cannot delete protected branch.*is_protected: false/)
    expect((await refuse('DELETE', store)).text).toMatch(/'stays'.*Clear spec\.is_protected/)
    await protect(false)

    const setDefault = (id: string) =>
      server.write('PATCH', `${store}?update_mask=spec.default_branch`, {
        spec: { default_branch: `${branches}/${id}` },
      })
    await setDefault('stays')
    expect(await say('stays')).toMatch(/cannot delete the default branch.*spec\.default_branch/)
    expect(await say('production')).toMatch(/Cannot delete root branch.*Delete the project instead/)
    await setDefault('production')

    await server.write('DELETE', `${branches}/stays?purge=true`)
    expect(await say('stays')).toMatch(/branch id not found/)
  })

  test('what was never there is not found, and with allow_missing that is success', async () => {
    expect((await refuse('DELETE', `${branches}/never-made`)).status).toBe(404)
    await server.write('DELETE', `${branches}/never-made?allow_missing=true`)
  })
})

describe('requests', () => {
  const path = `${branches}?branch_id=asked`
  const good = JSON.stringify({ spec: { ttl: '1h' } })
  const say = (body: unknown, headers: Record<string, string> = {}) =>
    refusal(server, 'POST', path, body, { headers })

  test('of another content type', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml']) {
      expect(await say(good, { 'content-type': type })).toMatchObject({
        status: 400,
        code: 'MALFORMED_REQUEST',
        text: expect.stringMatching(/Send application\/json/),
      })
    }
  })

  test('that end in the middle of their JSON', async () => {
    for (const length of [1, 5, good.length - 1]) {
      expect(await say(good.slice(0, length))).toMatchObject({
        status: 400,
        code: 'MALFORMED_REQUEST',
        text: expect.stringMatching(/not valid JSON.*Send the bare resource/),
      })
    }
  })

  test('that are no object', async () => {
    for (const body of ['[]', '"text"', 'null', '42']) expect((await say(body)).status).toBe(400)
  })

  test('of 10 MB', async () => {
    const said = await say(JSON.stringify({ spec: { ttl: '1h' }, filler: 'x'.repeat(10_000_000) }))
    expect(said).toMatchObject({
      status: 400,
      code: 'MALFORMED_REQUEST',
      text: expect.stringMatching(/larger than \d+ bytes.*Send the bare resource only/),
    })
  })

  test('nested a hundred thousand levels deep', async () => {
    expect((await say(`${'{"spec":'.repeat(100_000)}1${'}'.repeat(100_000)}`)).status).toBe(400)
  })

  test('with a page token that no list gave', async () => {
    const unknown = /page_token is not one that this list returned.*Start again/
    for (const token of ['AAAA', '%00', '💥', 'x'.repeat(5000)]) {
      const sent = token === '%00' ? token : encodeURIComponent(token)
      const said = await refuse('GET', `${branches}?page_token=${sent}`)
      expect(said.status).toBe(400)
      if (token !== '%00') expect(said.text).toMatch(unknown)
    }
    const { body } = await server.api('GET', '/api/2.0/postgres/projects?page_size=1')
    expect(body.next_page_token).toEqual(expect.any(String))
    const elsewhere = await refuse('GET', `${branches}?page_token=${body.next_page_token}`)
    expect(elsewhere.text).toMatch(unknown)
  })

  test('with sizes, masks and fields that do not exist', async () => {
    expect((await refuse('GET', `${branches}?page_size=-1`)).status).toBe(400)
    expect((await refuse('GET', `${branches}?page_size=many`)).status).toBe(400)
    const masked = (mask: string, spec: unknown) =>
      refuse('PATCH', `${production}?update_mask=${mask}`, { spec })
    expect(await masked('spec.nothing', {})).toEqual(invalid(/'spec\.nothing' cannot be updated/))
    expect(await masked('spec.is_protected', {})).toEqual(invalid(/does not hold it/))
    expect(await masked('spec.source_branch', { source_branch: 'x' })).toEqual(
      invalid(/cannot be changed after creation/),
    )
    expect(await masked('spec.is_protected', { is_protected: 'yes' })).toEqual(
      invalid(/must be true or false/),
    )
  })

  test('without a token, with a wrong one, and to a path that is not there', async () => {
    for (const token of ['', 'dapi0123', 'x'.repeat(9000)]) {
      const reply = await server.api('GET', '/api/2.0/postgres/projects', undefined, { token })
      expect(reply.status).toBe(401)
      expect(reply.body.message).toMatch(/lakelet env/)
    }
    const reply = await server.api('GET', '/api/2.0/postgres/clusters')
    expect(reply).toMatchObject({ status: 404, body: { error_code: 'ENDPOINT_NOT_FOUND' } })
  })
})

test('what is at the limit is accepted', async () => {
  const id = `b${'x'.repeat(62)}`
  const branch = await server.write('POST', `${branches}?branch_id=${id}`, {
    spec: { ttl: '720h' },
  })
  const length = Date.parse(branch.status.expire_time) - Date.parse(branch.create_time)
  expect(length).toBe(30 * 86_400_000)
  const { rows } = await server.sql(branch.name, 'select 1 as one')
  expect(rows).toEqual([{ one: 1 }])
  await server.write('DELETE', `${branches}/${id}?purge=true`)
})

test('after all of it nothing is half made, and a restart shows the same', async () => {
  await nothingHalfMade(server)
  await server.stop()
  expect(server.processes()).toEqual([])
  expect(server.mounts()).toEqual([])
  await server.launch()
  await nothingHalfMade(server)
})
