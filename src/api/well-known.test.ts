import { describe, expect, test } from 'vitest'
import { recordedApi, workspaceId } from './recording-actions.fixture.ts'

const { app, send } = recordedApi()

const get = async (path: string, headers: Readonly<Record<string, string>> = {}) => {
  const response = await app.fetch(new Request(`http://localhost${path}`, { headers }))
  return { status: response.status, headers: response.headers, json: await response.json() }
}

describe('what clients ask before they have a token', () => {
  test('the workspace and where its OpenID documents are, at the host that was dialled', async () => {
    const { status, json } = await get('/.well-known/databricks-config', { host: 'db.local:8443' })
    expect(status).toBe(200)
    expect(json).toEqual({
      oidc_endpoint: 'http://db.local:8443/oidc',
      workspace_id: workspaceId,
    })
    expect(workspaceId).toMatch(/^\d+$/)
  })

  test.each([undefined, 'a b', 'x/evil', 'user@host', '"'])(
    'with host %j the server names itself',
    async (host) => {
      const { json } = await get(
        '/.well-known/databricks-config',
        host === undefined ? {} : { host },
      )
      expect(json).toMatchObject({ oidc_endpoint: 'http://127.0.0.1:8080/oidc' })
    },
  )
})

describe('telemetry', () => {
  test.each([
    ['{"uploadTime": 1, "items": [], "protoLogs": ["a", "b"]}', 2],
    ['{"protoLogs": []}', 0],
    ['{"protoLogs": "a"}', 0],
    ['{}', 0],
    ['nonsense', 0],
    ['', 0],
    [`{"protoLogs": ["${'x'.repeat(2_000_000)}"]}`, 0],
  ])('counts what came and keeps nothing (%#)', async (body, count) => {
    const request = new Request('http://localhost/telemetry-ext', { method: 'POST', body })
    const response = await app.fetch(request)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ errors: [], numProtoSuccess: count })
  })
})

describe('small answers', () => {
  test('the older product is empty', async () => {
    expect((await send('GET', '/api/2.0/database/instances')).json).toEqual({})
  })

  test('the status of the server is for those with a token', async () => {
    expect((await send('GET', '/api/lakelet/v1/status')).json).toEqual({ version: '0.1.0' })
    expect((await get('/api/lakelet/v1/status')).status).toBe(401)
  })
})
