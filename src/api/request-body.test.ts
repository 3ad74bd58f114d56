import { describe, expect, test } from 'vitest'
import { recordedApi } from './recording-actions.fixture.ts'

const path = '/api/2.0/postgres/projects?project_id=app'

describe('the body of a write', () => {
  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON;charset="UTF-8"',
    'application/scim+json',
  ])('is read as %s', async (type) => {
    const { send, calls } = recordedApi()
    expect((await send('POST', path, {}, { 'content-type': type })).status).toBe(200)
    expect(calls).toHaveLength(1)
  })

  test('is read without a content type too', async () => {
    const { app } = recordedApi()
    const request = new Request(`http://localhost${path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer good' },
      body: new TextEncoder().encode('{"spec":{}}'),
    })
    expect(request.headers.has('content-type')).toBe(false)
    expect((await app.fetch(request)).status).toBe(200)
  })

  test('may be missing or white space', async () => {
    const { send } = recordedApi()
    expect((await send('POST', path)).status).toBe(200)
    expect((await send('POST', path, ' \n', { 'content-type': 'text/plain' })).status).toBe(200)
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/xml',
    'application/json; charset=latin1',
    'application/jsonp',
    'nonsense',
  ])('as %s is refused', async (type) => {
    const { send, calls } = recordedApi()
    const { status, json } = await send('POST', path, '{}', { 'content-type': type })
    expect(status).toBe(400)
    expect(json).toMatchObject({
      error_code: 'MALFORMED_REQUEST',
      message: expect.stringContaining('application/json'),
    })
    expect(calls).toEqual([])
  })

  test.each([
    ['truncated', '{"spec": {"display_name": "a"'],
    ['half a word', 'nul'],
    ['two values', '{} {}'],
    ['a comment', '{/* a */}'],
    ['a trailing comma', '{"a": 1,}'],
    ['a raw NUL', '{"a": "\u0000"}'],
    ['a list', '[]'],
    ['a string', '"spec"'],
    ['null', 'null'],
    ['a number', '1'],
    ['NaN', '{"a": NaN}'],
  ])('that is %s is not JSON of ours', async (_, body) => {
    const { refusalOf } = recordedApi()
    const refusal = await refusalOf('POST', path, body)
    expect(refusal).toMatchObject({ status: 400, code: 'MALFORMED_REQUEST' })
    expect(refusal.message).not.toMatch(/[\u0000-\u001f]/)
  })

  test('that is not UTF-8 is refused', async () => {
    const { refusalOf } = recordedApi()
    const refusal = await refusalOf('POST', path, new Uint8Array([0x7b, 0xff, 0x7d]))
    expect(refusal).toMatchObject({ status: 400, code: 'MALFORMED_REQUEST' })
    expect(refusal.message).toContain('UTF-8')
  })

  test('that is compressed is refused', async () => {
    const { send } = recordedApi()
    const { status, json } = await send('POST', path, '{}', { 'content-encoding': 'gzip' })
    expect(status).toBe(400)
    expect(json).toMatchObject({ error_code: 'MALFORMED_REQUEST' })
  })

  test('without end is refused at the limit, then discarded for a while and cut off', async () => {
    const { app } = recordedApi()
    let sent = 0
    let cut: (bytes: number) => void = () => undefined
    const sentWhenCut = new Promise<number>((resolve) => {
      cut = resolve
    })
    const stream = new ReadableStream({
      pull(controller) {
        const chunk = new Uint8Array(64 * 1024).fill(0x20)
        sent += chunk.length
        controller.enqueue(chunk)
      },
      cancel: () => cut(sent),
    })
    const request = new Request(`http://localhost${path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer good', 'content-type': 'application/json' },
      body: stream,
      duplex: 'half',
    } as RequestInit)
    const response = await app.fetch(request)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      error_code: 'MALFORMED_REQUEST',
      message: expect.stringContaining('larger than 1048576 bytes'),
    })
    expect(await sentWhenCut).toBeLessThan(18 * 1024 * 1024)
  })

  test('that says it is 10 MB is refused unread', async () => {
    const { send } = recordedApi()
    const { json } = await send('POST', path, '{}', { 'content-length': '10485760' })
    expect(json).toMatchObject({ message: expect.stringContaining('larger than') })
  })

  test('that breaks off is the client to blame', async () => {
    const { app, lines } = recordedApi()
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"spec"'))
        controller.error(new Error('connection reset'))
      },
    })
    const request = new Request(`http://localhost${path}`, {
      method: 'POST',
      headers: { authorization: 'Bearer good' },
      body: stream,
      duplex: 'half',
    } as RequestInit)
    expect((await app.fetch(request)).status).toBe(400)
    expect(lines.filter(({ level }) => level === 'error')).toEqual([])
  })
})
