/** Who is told before a branch ends: the audit log, webhooks, and whoever works with it in a worktree. */
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeRepository, program } from '../fixtures/git-repository.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
const path = `/api/2.0/postgres/${store}/webhooks`
const name = (id: string) => `${store}/branches/${id}`

interface Got {
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

let server: TestServer
let receiver: Server
let address: string
let got: Got[] = []
/** What the receiver answers, one after another; then 204. */
let answers: (readonly [number, Record<string, string>?])[] = []

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = ''
    request.on('data', (bytes) => {
      body += bytes
    })
    request.on('end', () => {
      got.push({ url: request.url, headers: request.headers, body })
      const [status, headers = {}] = answers.shift() ?? [204]
      response.writeHead(status, headers).end()
    })
  })
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done))
  const bound = receiver.address()
  address = `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : 0}`
  server = await TestServer.start({ storage: 'copy' })
}, 120_000)
afterAll(async () => {
  receiver?.closeAllConnections()
  receiver?.close()
  await server?.dispose()
})
beforeEach(() => {
  got = []
  answers = []
})
afterEach(async () => {
  for (const { uid } of (await server.api('GET', path)).body.webhooks) {
    expect((await server.api('DELETE', `${path}/${uid}`)).status).toBe(204)
  }
})

const hook = async (url: string) => (await server.api('POST', path, { url })).body
const endIn = (id: string, length: number) =>
  server.write('PATCH', `${name(id)}?update_mask=spec.expire_time`, {
    spec: { expire_time: new Date(Date.now() + length).toISOString() },
  })
const make = async (id: string, length: number) => {
  await server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '3600s' } })
  await endIn(id, length)
}

test('an event comes before the end, signed, once, and again until it is taken', async () => {
  const { secret, uid, url } = await hook(`${address}/hook`)
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(url).toBe(`${address}/hook`)
  expect(JSON.stringify((await server.api('GET', path)).body)).not.toContain(secret)
  answers = [[500], [302, { location: `${address}/elsewhere` }]]
  await make('soon', 9000)
  const end = (await server.api('GET', `/api/2.0/postgres/${name('soon')}`)).body.status.expire_time
  await eventually('the first try', () => got.length === 1)
  expect(Date.parse(end)).toBeGreaterThan(Date.now())
  await eventually(
    'its problem is told',
    async () => (await server.api('GET', path)).body.webhooks[0].last_problem === 'it answered 500',
  )
  await eventually('the second try', () => got.length === 2, 15_000)
  const [first, second] = got as [Got, Got]
  expect(JSON.parse(first.body)).toEqual({
    type: 'branch.ends_soon',
    timestamp: expect.stringMatching(/Z$/),
    data: { branch: name('soon'), expire_time: end, created_by: expect.any(String) },
  })
  expect(second.body).toBe(first.body)
  expect(second.headers['webhook-id']).toBe(first.headers['webhook-id'])
  for (const { headers, body } of got) {
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': proof } = headers
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
    const hmac = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')
    expect(proof).toBe(`v1,${hmac}`)
  }
  // A redirect is not followed.
  await eventually(
    'the redirect is a problem',
    async () => (await server.api('GET', path)).body.webhooks[0].last_problem === 'it answered 302',
  )
  expect(got.map((each) => each.url)).toEqual(['/hook', '/hook'])
  const audit = `/api/lakelet/v1/audit?action=warn-of-end&resource=${name('soon')}`
  const { body } = await server.api('GET', audit)
  expect(body.entries).toMatchObject([
    { actor: { kind: 'SYSTEM' }, details: { expire_time: end }, result: 'succeeded' },
  ])
  expect((await server.api('GET', `${path}`)).body.webhooks[0].uid).toBe(uid)
}, 60_000)

test('a server that dies after a try sends the same event again', async () => {
  await hook(`${address}/hook`)
  await server.stop()
  await server.launch({ LAKELET_FAILPOINTS: 'deliver-events.posted:after=kill' })
  await make('killed', 9000)
  expect(await server.exit()).toBe('SIGKILL')
  expect(got).toHaveLength(1)
  await server.launch()
  await eventually('it comes again', () => got.length === 2)
  expect(got[1]?.headers['webhook-id']).toBe(got[0]?.headers['webhook-id'])
  await eventually('it has arrived', async () => {
    const [seen] = (await server.api('GET', path)).body.webhooks
    return seen.last_time !== undefined && seen.last_problem === undefined
  })
})

test('webhooks are for managers, and addresses are judged', async () => {
  const bob = await server.identity('bob@example.com', 'CAN_BRANCH')
  const by = { token: bob }
  expect((await server.api('POST', path, { url: address }, by)).status).toBe(403)
  expect((await server.api('GET', path, undefined, by)).status).toBe(403)
  for (const url of ['ftp://example.com', 'nowhere', 'https://ann:pw@example.com/', '']) {
    expect((await server.api('POST', path, { url })).body.message, url).toMatch(/'url'/)
  }
  const unknown = await server.api('DELETE', `${path}/0193a5c0-0000-7000-8000-000000000000`)
  expect(unknown.body.message).toMatch(/webhook '0193.*' not found/)
  for (let at = 0; at < 16; at += 1) await hook(`${address}/${at}`)
  expect((await server.api('POST', path, { url: address })).body.message).toMatch(
    /has 16 webhooks already/,
  )
  const gone = await hook('http://127.0.0.1:9/').catch(() => undefined)
  expect(gone).not.toHaveProperty('secret')
})

test('lakelet dev and lakelet run say it, and how to renew', async () => {
  const repository = makeRepository(server)
  const command = (args: readonly string[], seen: (text: string) => void = () => undefined) =>
    new Promise<string>((done) => {
      const child = spawn(process.execPath, [program, ...args], {
        cwd: repository.path,
        env: repository.environment,
      })
      let stderr = ''
      child.stderr.on('data', (bytes) => {
        stderr += bytes
        seen(stderr)
      })
      child.once('close', () => done(stderr))
    })
  try {
    expect(await command(['dev'])).toBe('')
    expect(await command(['dev'])).toBe('')
    const { body } = await server.api('GET', `/api/2.0/postgres/${store}/branches`)
    const id = body.branches
      .map(({ branch_id }: { branch_id: string }) => branch_id)
      .find((each: string) => each.includes('-main-'))
    await endIn(id, 16_000)
    // Its last quarter comes while the program runs.
    const said = await command(['run', '--', 'sleep', '14'])
    expect(said.match(/Note: the branch ends at 2.*lakelet branch renew/g)).toHaveLength(1)
    await endIn(id, 3000).catch(() => undefined)
  } finally {
    rmSync(repository.home, { recursive: true })
  }
}, 60_000)
