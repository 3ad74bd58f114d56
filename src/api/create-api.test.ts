import { describe, expect, test } from 'vitest'
import { Fault } from '../domain/faults.ts'
import { declaredRoutes } from './create-api.ts'
import { owner, recordedApi } from './recording-actions.fixture.ts'

const base = '/api/2.0/postgres'

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

  test('whose cause is the machine leave it in the log', async () => {
    const cause = new Error('postmaster said no')
    const { send, lines } = recordedApi({
      getEndpoint: () => {
        throw new Fault('COMPUTE_FAILED', { endpoint: 'e', problem: 'x' }, { cause })
      },
    })
    const path = `${base}/projects/p/branches/b/endpoints/e`
    const { status, text } = await send('GET', path)
    expect(status).toBe(400)
    expect(text).not.toContain('postmaster said no')
    expect(lines.filter(({ level }) => level === 'warn')).toMatchObject([{ err: { cause } }])
  })

  test('of a token for the next page are bad requests', async () => {
    const { send } = recordedApi({
      listProjects: () => {
        throw new Fault('PAGE_TOKEN_UNKNOWN')
      },
    })
    const { status, json } = await send('GET', `${base}/projects?page_token=unknown`)
    expect(status).toBe(400)
    expect(json).toMatchObject({ error_code: 'INVALID_PARAMETER_VALUE' })
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

describe('the routes', () => {
  const routes = declaredRoutes('0')

  test('are declared once each, with a summary', () => {
    const names = routes.map(({ method, path }) => `${method} ${path}`)
    expect(new Set(names).size).toBe(names.length)
    for (const { summary } of routes) expect(summary).not.toBe('')
  })
})

describe('paths that are not ours', () => {
  test.each([
    ['GET', '/', "No API found for 'GET /'"],
    ['GET', '/api/2.0/nonsense', "No API found for 'GET /nonsense'"],
    ['GET', `${base}/catalogs`, "No API found for 'GET /postgres/catalogs'"],
    ['PATCH', `${base}/projects/p/snapshots/s`, "No API found for 'PATCH"],
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
        traceId: expect.any(String),
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
