/** What names an endpoint, and what is not even a name. */
import { describe, expect, test } from 'vitest'
import { checkAgreement, endpointOfHost, plainAddress, serverNameOf } from './route.ts'

describe('route', () => {
  test.each([
    ['EP-Green.Localhost.', 'ep-green.localhost'],
    ['localhost', 'localhost'],
    ['a_b.example', 'a_b.example'],
    ['', undefined],
    ['a..b', undefined],
    ['-a.example', undefined],
    ['*.example', undefined],
    ['a b', undefined],
    [`${'a'.repeat(64)}.example`, undefined],
    [`${'a.'.repeat(127)}`, `${'a.'.repeat(126)}a`],
    [`${'a.'.repeat(128)}`, undefined],
  ])('server name %j is %j', (sent, name) => {
    expect(serverNameOf(sent)).toBe(name)
  })

  test('a client that sends no server name has none', () => {
    expect(([false, null, undefined] as const).map((sent) => serverNameOf(sent))).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  test('only a first label that is a uid means an endpoint', () => {
    expect(endpointOfHost('ep-green.localhost')).toBe('ep-green')
    expect(endpointOfHost('localhost')).toBeUndefined()
    expect(endpointOfHost('db.ep-green.example')).toBeUndefined()
    expect(endpointOfHost(undefined)).toBeUndefined()
  })

  test('host and option must agree where both name an endpoint', () => {
    checkAgreement('ep-a.localhost', 'ep-a')
    checkAgreement('localhost', 'ep-b')
    checkAgreement('ep-a.localhost', undefined)
    expect(() => checkAgreement('ep-a.localhost', 'ep-b')).toThrow("asks for 'ep-b'")
  })

  test('an address is the same whichever family it came by', () => {
    expect(plainAddress('::ffff:127.0.0.1')).toBe('127.0.0.1')
    expect(plainAddress('::1')).toBe('::1')
    expect(plainAddress(undefined)).toBe('')
  })
})
