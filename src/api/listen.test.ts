import { request } from 'node:http'
import { createConnection } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ListenFailed, type Listening, serveApi } from './listen.ts'
import { recordedApi } from './recording-actions.fixture.ts'

const open: Listening[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()))
})

async function listen(answers: Parameters<typeof recordedApi>[0] = {}) {
  const server = await serveApi(recordedApi(answers).app, { host: '127.0.0.1', port: 0 })
  open.push(server)
  return { server, url: `http://127.0.0.1:${server.port}` }
}

const good = { authorization: 'Bearer good' }

/** Bytes in, everything that comes back out. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString()
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
    socket.end(bytes)
  })
}

describe('the API on a port', () => {
  test('answers over HTTP, with the host that was dialled', async () => {
    const { url } = await listen()
    const config = await fetch(`${url}/.well-known/databricks-config`)
    expect(await config.json()).toMatchObject({ oidc_endpoint: `${url}/oidc` })
    const list = await fetch(`${url}/api/2.0/postgres/projects`, { headers: good })
    expect(await list.json()).toEqual({ projects: [] })
  })

  test('keeps an encoded slash inside its segment', async () => {
    const { url } = await listen()
    const answer = await fetch(`${url}/api/2.0/postgres/projects/a%2Fbranches%2Fb`, {
      headers: good,
    })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('must match pattern')
  })

  test('says which port is taken and what to do', async () => {
    const { server } = await listen()
    const second = serveApi(recordedApi().app, { host: '127.0.0.1', port: server.port })
    await expect(second).rejects.toThrow(ListenFailed)
    await expect(second).rejects.toThrow(`Port ${server.port} on 127.0.0.1 is taken`)
  })

  test('says that an address is not of this machine', async () => {
    const other = serveApi(recordedApi().app, { host: '192.0.2.1', port: 0 })
    await expect(other).rejects.toThrow('not an address of this machine')
  })

  test('refuses 10 MB with an answer, not with a broken connection', async () => {
    const { url } = await listen()
    const headers = { ...good, 'content-type': 'application/json' }
    const answer = await fetch(`${url}/api/2.0/postgres/projects?project_id=app`, {
      method: 'POST',
      headers,
      body: 'x'.repeat(10 * 1024 * 1024),
    })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('larger than')
  })

  test('refuses 10 MB in chunks as well', async () => {
    const { server } = await listen()
    const status = await new Promise((resolve, reject) => {
      const outgoing = request(
        {
          port: server.port,
          host: '127.0.0.1',
          method: 'POST',
          path: '/api/2.0/postgres/projects?project_id=app',
          headers: { ...good, 'transfer-encoding': 'chunked' },
        },
        (incoming) => {
          incoming.resume()
          resolve(incoming.statusCode)
        },
      )
      outgoing.on('error', reject)
      outgoing.end(Buffer.alloc(10 * 1024 * 1024, 0x20))
    })
    expect(status).toBe(400)
  })

  test.each([
    ['what is no HTTP', 'EHLO example.com\r\n\r\n', '400'],
    ['a Postgres client', '\u0000\u0000\u0000\u0008\u0004\u00d2\u0016\u002f', '400'],
    ['headers without end', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
    ['an over-long path', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, '431'],
    [
      'a host that is none',
      'GET /nonsense HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
      '400',
    ],
    ['a missing host', 'GET /nonsense HTTP/1.0\r\n\r\n', '404'],
    [
      'an absolute target',
      'GET http://elsewhere/nonsense HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      '404',
    ],
  ])('answers %s in JSON', async (_, bytes, status) => {
    const { server } = await listen()
    const answer = await exchange(server.port, bytes)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(answer.slice(answer.indexOf('\r\n\r\n') + 4)).toMatch(/^\{"error_code":"[A-Z_]+"/)
  })

  test('closes at once though clients keep their connections', async () => {
    const { server, url } = await listen()
    await (await fetch(`${url}/nonsense`)).text() // its connection stays in the pool
    await server.close()
    await expect(fetch(`${url}/nonsense`)).rejects.toThrow()
  })

  test('lets a running request end before it closes', async () => {
    let release: (value: unknown) => void = () => undefined
    let entered: () => void = () => undefined
    const inside = new Promise<void>((resolve) => {
      entered = resolve
    })
    const { server, url } = await listen({
      getProject: () => {
        entered()
        return new Promise((resolve) => {
          release = resolve
        })
      },
    })
    const answer = fetch(`${url}/api/2.0/postgres/projects/app`, { headers: good })
    await inside
    const closed = server.close()
    release({ name: 'projects/app' })
    expect(await (await answer).json()).toEqual({ name: 'projects/app' })
    await closed
  })

  test('closing twice is one close', async () => {
    const { server } = await listen()
    await Promise.all([server.close(), server.close()])
  })
})
