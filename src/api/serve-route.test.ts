import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fault } from '../domain/faults.ts'
import { recordedApi } from './recording-actions.fixture.ts'

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

describe('whatever is sent', () => {
  const path = fc.constantFrom(
    ['POST', '/projects?project_id=app'],
    ['PATCH', '/projects/app?update_mask=*'],
    ['POST', '/projects/app/branches?branch_id=dev'],
    ['PATCH', '/projects/app/branches/dev'],
    ['POST', '/projects/app/branches/dev/endpoints?endpoint_id=e'],
    ['PATCH', '/projects/app/branches/dev/endpoints/e?update_mask=spec'],
    ['POST', '/credentials'],
  )
  const known = fc.constantFrom(
    ...['ttl', 'expire_time', 'noExpiry', 'source_branch', 'group', 'settings', 'pg_settings'],
    ...['display_name', 'custom_tags', 'default_endpoint_settings', 'endpoint', 'claims'],
  )
  const object = fc.dictionary(fc.oneof(known, fc.string()), fc.jsonValue({ maxDepth: 3 }))

  test('is answered or refused, and never breaks the server', async () => {
    const { send } = recordedApi()
    await fc.assert(
      fc.asyncProperty(path, object, object, async ([method = '', at], spec, rest) => {
        const { status } = await send(method, base + at, { ...rest, spec })
        expect([200, 400, 501]).toContain(status)
      }),
    )
  })

  test('any mask is answered or refused', async () => {
    const { send } = recordedApi()
    await fc.assert(
      fc.asyncProperty(fc.string(), async (mask) => {
        const query = new URLSearchParams({ update_mask: mask })
        const { status } = await send('PATCH', `${base}/projects/app/branches/dev?${query}`, {
          spec: { is_protected: true },
        })
        expect([200, 400]).toContain(status)
      }),
    )
  })
})

describe('a body that is refused', () => {
  const gone = () => {
    throw new Fault('BRANCH_NOT_FOUND')
  }
  const bad = { spec: { is_protected: 'perhaps' } }

  test('is not spoken of when what it is for is not there', async () => {
    const { refusalOf } = recordedApi({ getBranch: gone })
    for (const body of [bad, '{', '[]']) {
      expect(await refusalOf('PATCH', `${base}/projects/app/branches/dev`, body)).toMatchObject({
        status: 404,
      })
    }
  })

  test('is told of when it is there, and a good one asks nothing more', async () => {
    const there = recordedApi()
    const path = `${base}/projects/app/branches/dev`
    expect(await there.refusalOf('PATCH', path, bad)).toMatchObject({ status: 400 })
    expect(there.calls.map(({ verb }) => verb)).toEqual(['getBranch'])
    await there.inputsOf('PATCH', path, { spec: { is_protected: true } })
  })
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
