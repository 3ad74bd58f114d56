import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Secret } from '../lib/secret.ts'
import { type Clock, millis, systemClock } from '../lib/time.ts'
import { clientCredentialsToken, personalAccessToken } from './access-token.ts'
import { ApiError, ConnectionFailed, OperationFailed, WaitTimedOut } from './api-error.ts'
import { LakeletClient, userAgent } from './lakelet-client.ts'

type Answer = (request: IncomingMessage, body: string, response: ServerResponse) => void

let server: Server
let host: string
let answers: Answer[]
let seen: { line: string; body: string; headers: IncomingMessage['headers'] }[]
let naps: number[]

/** Answers in turn; the last answer stays. */
beforeEach(async () => {
  answers = []
  seen = []
  naps = []
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      seen.push({ line: `${request.method} ${request.url}`, body, headers: request.headers })
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      answer?.(request, body, response)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
})

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_request, _body, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify(body))
  }

/** Sleeps are noted and cost nothing; the monotonic clock moves by them. */
function fastClock(): Clock {
  let now = 0
  return {
    now: systemClock.now,
    monotonic: () => millis(now),
    sleep: async (length) => {
      naps.push(length)
      now += length
    },
  }
}

const client = () =>
  new LakeletClient({
    host,
    token: personalAccessToken(new Secret('dapi-hush')),
    clock: fastClock(),
  })

describe('requests', () => {
  test('carry the token, our name, and the body byte for byte', async () => {
    answers = [json(200, { name: 'projects/p/branches/dev/operations/1' })]
    const body = '{"spec": {"source_branch_id": "production", "ttl": {"seconds": 21600}}}'
    await client().branches.create('projects/p', 'dev', body)
    expect(seen[0]).toMatchObject({
      line: 'POST /api/2.0/postgres/projects/p/branches?branch_id=dev',
      body,
      headers: { authorization: 'Bearer dapi-hush', 'user-agent': userAgent },
    })
  })

  test('leave out what is empty or false', async () => {
    answers = [json(200, { name: 'projects/p/operations/1' })]
    await client().projects.delete('projects/p', { purge: false })
    await client().projects.delete('projects/p', { purge: true })
    expect(seen.map(({ line }) => line)).toEqual([
      'DELETE /api/2.0/postgres/projects/p',
      'DELETE /api/2.0/postgres/projects/p?purge=true',
    ])
  })

  test('escape a name without its slashes', async () => {
    answers = [json(200, { name: 'x' })]
    await client().getOperation('projects/p/operations/a+b=?x#y')
    expect(seen[0]?.line).toBe('GET /api/2.0/postgres/projects/p/operations/a%2Bb%3D%3Fx%23y')
  })

  test('follow all pages of a list', async () => {
    answers = [
      json(200, { branches: [{ name: 'a' }, { name: 'b' }], next_page_token: 't 1' }),
      json(200, { branches: [{ name: 'c' }] }),
    ]
    const names: string[] = []
    for await (const { name } of client().branches.list('projects/p', { pageSize: 2 })) {
      names.push(name)
    }
    expect(names).toEqual(['a', 'b', 'c'])
    expect(seen[1]?.line).toContain('page_size=2&page_token=t+1')
  })

  test('a server that hands out the same page for ever is not followed for ever', async () => {
    answers = [json(200, { projects: [], next_page_token: 'again' })]
    await expect(client().projects.list('').next()).rejects.toThrow('same page token twice')
  })
})

describe('repeating', () => {
  const busy = json(503, { error_code: 'TEMPORARILY_UNAVAILABLE', message: 'starting' })
  const reset: Answer = (request) => request.socket.destroy()

  test('a read is tried again when nobody answers or the server says later', async () => {
    answers = [reset, busy, json(429, {}, { 'retry-after': '2' }), json(200, { userName: 'jane' })]
    expect((await client().me()).userName).toBe('jane')
    expect(naps).toEqual([100, 300, 2000])
  })

  test('but not for ever', async () => {
    answers = [busy]
    await expect(client().me()).rejects.toThrow('starting')
    expect(seen).toHaveLength(4)
  })

  test('and not when the answer is final', async () => {
    answers = [json(500, { error_code: 'INTERNAL_ERROR', message: 'broken' })]
    await expect(client().me()).rejects.toThrow('broken')
    expect(seen).toHaveLength(1)
  })

  test('a write is never repeated', async () => {
    answers = [busy]
    await expect(client().projects.create('', 'p', {})).rejects.toThrow('starting')
    answers = [reset]
    await expect(client().projects.create('', 'p', {})).rejects.toThrow(ConnectionFailed)
    expect(seen).toHaveLength(2)
  })
})

describe('errors', () => {
  test('carry all that the server said, and its hint', async () => {
    const details = [
      { '@type': 'type.googleapis.com/google.rpc.RequestInfo', request_id: 'r1' },
      {
        '@type': 'type.googleapis.com/google.rpc.LocalizedMessage',
        locale: 'en',
        message: 'Send one of spec.ttl, spec.expire_time or spec.no_expiry.',
      },
      {
        '@type': 'type.googleapis.com/google.rpc.Help',
        links: [{ description: 'Read the guide.', url: 'https://example.org' }],
      },
    ]
    const message = 'Expiration must be specified when creating a branch'
    answers = [json(400, { error_code: 'INVALID_PARAMETER_VALUE', message, details })]
    const error = await client()
      .branches.create('projects/p', 'b', {})
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({
      status: 400,
      code: 'INVALID_PARAMETER_VALUE',
      message,
      details,
      hint: 'Send one of spec.ttl, spec.expire_time or spec.no_expiry. Read the guide.',
    })
    expect(inspect(error, { depth: 9 })).not.toContain('hush')
  })

  test.each([
    ['{"detail": "no such user", "status": "404", "scimType": "x"}', 'no such user'],
    ['{"error": "invalid_client", "error_description": "who?"}', 'who?'],
    ['<html><body>Bad <b>Gateway</b></body></html>', 'Bad Gateway'],
    ['', 'Not Found'],
  ])('of another shape (%s) say what they can', async (text, message) => {
    answers = [
      (_request, _body, response) => {
        response.writeHead(404)
        response.end(text)
      },
    ]
    await expect(client().me()).rejects.toMatchObject({ message, status: 404 })
  })
})

describe('waiting for an operation', () => {
  const name = 'projects/p/branches/b/operations/1'
  const pending = json(200, { name, done: false })

  test('looks at once, then ever more rarely', async () => {
    answers = [pending, pending, pending, json(200, { name, done: true, response: { name: 'b' } })]
    expect(await client().wait({ name, done: false })).toEqual({ name: 'b' })
    expect(naps).toEqual([50, 100, 200])
  })

  test('an operation that is done already is believed', async () => {
    expect(await client().wait({ name, done: true, response: { name: 'b' } })).toEqual({
      name: 'b',
    })
    expect(seen).toEqual([])
  })

  test('one that failed throws its error', async () => {
    const error = { error_code: 'RESOURCE_EXHAUSTED', message: 'full', details: [] }
    answers = [json(200, { name, done: true, error })]
    const failed = client().wait({ name })
    await expect(failed).rejects.toThrow(OperationFailed)
    await expect(failed).rejects.toThrow('operation failed: [RESOURCE_EXHAUSTED] full')
  })

  test('patience ends, and says that the work goes on', async () => {
    answers = [pending]
    const failed = client().wait({ name }, { patience: millis(5000), sayPatience: '5s' })
    await expect(failed).rejects.toThrow(WaitTimedOut)
    await expect(failed).rejects.toMatchObject({ hint: expect.stringContaining(name) })
    expect(Math.max(...naps)).toBe(1000)
    expect(naps.reduce((sum, nap) => sum + nap, 0)).toBe(5000)
  })
})

test('a client id and secret are exchanged once for an access token', async () => {
  answers = [
    json(200, { token_endpoint: `${host}/oidc/v1/token` }),
    json(200, { access_token: 'jwt', token_type: 'Bearer', expires_in: 3600 }),
    json(200, { userName: 'sp' }),
  ]
  const token = clientCredentialsToken({
    host,
    clientId: 'a b',
    clientSecret: new Secret('s:t'),
    userAgent,
    clock: systemClock,
  })
  const robot = new LakeletClient({ host, token })
  await robot.me()
  await robot.me()
  expect(seen.map(({ line }) => line)).toEqual([
    'GET /oidc/.well-known/oauth-authorization-server',
    'POST /oidc/v1/token',
    'GET /api/2.0/preview/scim/v2/Me',
    'GET /api/2.0/preview/scim/v2/Me',
  ])
  expect(seen[1]).toMatchObject({
    body: 'grant_type=client_credentials&scope=all-apis',
    headers: { authorization: `Basic ${Buffer.from('a%20b:s%3At').toString('base64')}` },
  })
  expect(seen[2]?.headers.authorization).toBe('Bearer jwt')
})
