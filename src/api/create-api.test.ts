import { describe, expect, test } from 'vitest'
import { Fault } from '../domain/faults.ts'
import { owner, recordedApi } from './recording-actions.fixture.ts'

const base = '/api/2.0/postgres'

describe('who is asking', () => {
  test.each([
    ['no header', {}],
    ['another scheme', { authorization: 'Basic Z29vZA==' }],
    ['no token', { authorization: 'Bearer ' }],
    ['two tokens', { authorization: 'Bearer good good' }],
    ['an unknown token', { authorization: 'Bearer bad' }],
    ['a token without end', { authorization: `Bearer ${'x'.repeat(10_000)}` }],
  ])('%s is refused before anything is looked at', async (_, headers) => {
    const { app, calls } = recordedApi()
    const response = await app.fetch(
      new Request(`http://localhost${base}/projects/UPPER?page_size=x`, { headers }),
    )
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ error_code: 'UNAUTHENTICATED' })
    expect(response.headers.get('www-authenticate')).toContain('Bearer')
    expect(calls).toEqual([])
  })

  test('the scheme is read whatever its case', async () => {
    const { send } = recordedApi()
    const { status } = await send('GET', `${base}/projects`, undefined, {
      authorization: 'bearer good',
    })
    expect(status).toBe(200)
  })

  test('the body of someone unknown is not read', async () => {
    const { app } = recordedApi()
    let pulled = 0
    const stream = new ReadableStream(
      {
        pull(controller) {
          pulled += 1
          controller.enqueue(new Uint8Array(1024))
        },
      },
      { highWaterMark: 0 },
    )
    const init = { method: 'POST', body: stream, duplex: 'half' }
    const request = new Request(
      `http://localhost${base}/projects?project_id=a`,
      init as RequestInit,
    )
    expect((await app.fetch(request)).status).toBe(401)
    expect(pulled).toBe(0)
  })
})

describe('refusals', () => {
  test('have the shape that clients parse, with metadata on every detail', async () => {
    const { send } = recordedApi({
      getBranch: () => {
        throw new Fault('BRANCH_NOT_FOUND')
      },
    })
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
    const { status, json, headers } = await send(
      'GET',
      `${base}/projects/app/branches/dev`,
      undefined,
      { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
    )
    expect(status).toBe(404)
    expect(json).toEqual({
      error_code: 'NOT_FOUND',
      message: `branch id not found [TraceId: ${traceId}]`,
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.LocalizedMessage',
          locale: 'en-US',
          message: expect.stringContaining('List the branches'),
          metadata: {},
        },
        {
          '@type': 'type.googleapis.com/google.rpc.RequestInfo',
          request_id: headers.get('x-request-id'),
          serving_data: '',
          metadata: {},
        },
      ],
    })
  })

  test.each([undefined, 'nonsense', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`])(
    'with traceparent %j get a trace id of their own',
    async (traceparent) => {
      const { send } = recordedApi({
        getProject: () => {
          throw new Fault('PROJECT_NOT_FOUND')
        },
      })
      const headers = traceparent === undefined ? {} : { traceparent }
      const { text } = await send('GET', `${base}/projects/app`, undefined, headers)
      expect(text).toMatch(/project id not found \[TraceId: (?!0{32})[0-9a-f]{32}\]/)
    },
  )

  test('of children that go with their parent carry the marker for Terraform', async () => {
    const { send } = recordedApi({
      deleteBranch: () => {
        throw new Fault('BRANCH_IS_ROOT', { branch: 'production' })
      },
    })
    const { status, json } = await send('DELETE', `${base}/projects/app/branches/production`)
    expect(status).toBe(400)
    expect(json).toMatchObject({
      error_code: 'BAD_REQUEST',
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: 'RESOURCE_CONFLICT',
          domain: 'databricks.com',
          metadata: { declarative_context: 'MANAGED_BY_PARENT' },
        },
        {},
        {},
      ],
    })
  })

  test('that pass say when to try again', async () => {
    const { send } = recordedApi({
      getProject: () => {
        throw new Fault('UNAVAILABLE', { doing: 'starting' })
      },
    })
    const { status, headers } = await send('GET', `${base}/projects/app`)
    expect(status).toBe(503)
    expect(headers.get('retry-after')).toBe('1')
  })

  test('that nobody foresaw tell a request id, and the log the cause', async () => {
    const cause = new Error('secret path /var/lib/x')
    const { send, lines } = recordedApi({
      getProject: () => {
        throw cause
      },
    })
    const { status, json, text, headers } = await send('GET', `${base}/projects/app`)
    const requestId = headers.get('x-request-id') ?? ''
    expect(status).toBe(500)
    expect(json).toMatchObject({ error_code: 'INTERNAL_ERROR' })
    expect(text).toContain(requestId)
    expect(text).not.toContain('/var/lib')
    expect(lines.filter(({ level }) => level === 'error')).toEqual([
      expect.objectContaining({ err: cause, requestId, route: `${base}/projects/{project}` }),
    ])
  })
})

describe('paths that are not ours', () => {
  test.each([
    ['GET', '/', "No API found for 'GET /'"],
    ['GET', '/api/2.0/nonsense', "No API found for 'GET /nonsense'"],
    ['GET', `${base}/catalogs/x`, "No API found for 'GET /postgres/catalogs/x'"],
    ['POST', `${base}/synced_tables`, "No API found for 'POST /postgres/synced_tables'"],
    ['GET', `${base}/projects/p/branches/b/databases/d/data-api`, "No API found for 'GET"],
    ['GET', `${base}/projects/p/snapshots`, "No API found for 'GET"],
    ['PUT', `${base}/projects/p`, "No API found for 'PUT"],
    ['DELETE', `${base}/projects`, "No API found for 'DELETE"],
    ['GET', `${base}/projects/`, "No API found for 'GET"],
    ['DELETE', `${base}/projects/p/branches/..`, "No API found for 'DELETE"],
    ['DELETE', `${base}/projects/p/branches/%2e%2e`, "No API found for 'DELETE"],
    ['DELETE', `${base}//projects/p`, "No API found for 'DELETE"],
    ['PROPFIND', `${base}/projects`, "No API found for 'PROPFIND"],
  ])('%s %s answers in JSON', async (method, path, message) => {
    const { send, calls } = recordedApi()
    const { status, json } = await send(method, path)
    expect(status).toBe(404)
    expect(json).toMatchObject({
      error_code: 'ENDPOINT_NOT_FOUND',
      message: expect.stringContaining(message),
    })
    expect(calls).toEqual([])
  })

  test.each(['roles', 'databases', 'roles/x', 'databases/x'])(
    '%s of a branch say what to use in their place',
    async (path) => {
      const { send } = recordedApi()
      const { status, json } = await send('GET', `${base}/projects/p/branches/b/${path}`)
      expect(status).toBe(501)
      expect(json).toMatchObject({
        error_code: 'NOT_IMPLEMENTED',
        message: expect.stringContaining('Use SQL'),
      })
    },
  )
})

describe('ids in paths', () => {
  test.each([
    ['UPPER', 'UPPER'],
    ['upper case letter', 'aBc'],
    ['a digit first', '1a'],
    ['a space', '%20'],
    ['64 characters', 'a'.repeat(64)],
    ['10000 characters', 'a'.repeat(10_000)],
    ['an encoded slash', 'a%2Fbranches%2Fb'],
    ['an encoded climb', '..%2F..'],
    ['a NUL', 'a%00b'],
    ['an emoji', '%F0%9F%A6%86'],
    ['broken UTF-8', 'a%ff'],
    ['a broken escape', 'a%zz'],
    ['a line break', 'a%0Ab'],
  ])('%s is refused with the pattern', async (_, id) => {
    const { refusalOf } = recordedApi()
    for (const path of [`/projects/${id}`, `/projects/p/branches/${id}`]) {
      const refusal = await refusalOf('GET', base + path)
      expect(refusal).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
      expect(refusal.message).toMatch(/must match pattern \^\[a-z\]/)
      expect(refusal.message).not.toMatch(/[\u0000-\u001f]/)
      expect(refusal.message.length).toBeLessThan(400)
    }
  })

  test('63 characters are an id', async () => {
    const { inputsOf } = recordedApi()
    const project = 'a'.repeat(63)
    expect(await inputsOf('GET', `${base}/projects/${project}`)).toEqual([{ project }])
  })
})

describe('every answer', () => {
  test('carries a request id of its own and is not stored', async () => {
    const { send } = recordedApi()
    const one = await send('GET', `${base}/projects`)
    const two = await send('GET', '/nonsense')
    for (const { headers } of [one, two]) {
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('content-type')).toContain('application/json')
    }
    expect(one.headers.get('x-request-id')).not.toBe(two.headers.get('x-request-id'))
  })

  test('is one line in the log, without the token', async () => {
    const { send, lines } = recordedApi()
    await send('GET', `${base}/projects?page_token=abc`, undefined, { 'user-agent': 'cli/1.13' })
    expect(lines).toEqual([
      {
        level: 'debug',
        text: 'answered request',
        requestId: expect.any(String),
        method: 'GET',
        route: `${base}/projects`,
        path: `${base}/projects`,
        status: 200,
        ms: 0,
        identity: owner.uid,
        userAgent: 'cli/1.13',
      },
    ])
    expect(JSON.stringify(lines)).not.toContain('good')
  })

  test('to HEAD is that of GET without its body', async () => {
    const { send } = recordedApi()
    const { status, text } = await send('HEAD', `${base}/projects`)
    expect([status, text]).toEqual([200, ''])
  })

  test('to OPTIONS names the methods', async () => {
    const { send } = recordedApi()
    const { status, headers } = await send('OPTIONS', `${base}/projects/app`)
    expect(status).toBe(204)
    expect(headers.get('allow')?.split(', ').sort()).toEqual(
      ['OPTIONS', 'GET', 'HEAD', 'PATCH', 'DELETE'].sort(),
    )
    expect((await send('OPTIONS', '/nonsense')).status).toBe(404)
  })

  test('never says the words by which scripts recognise a dead login, unless it is one', async () => {
    const { refusalOf } = recordedApi()
    const refusals = [
      await refusalOf('GET', '/nonsense'),
      await refusalOf('POST', `${base}/projects`, {}),
      await refusalOf('POST', '/oidc/v1/token', {}),
    ]
    for (const { message } of refusals) expect(message).not.toMatch(/unauthori[sz]ed|\b401\b/i)
  })
})
