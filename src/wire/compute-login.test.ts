/** The back machine: a greeting is relayed as it came, whatever its split; surprises end the log-in. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ComputeLogin, type LoginProgress } from './compute-login.ts'
import { printFatal, printServerMessage } from './server-message.ts'

const ok = printServerMessage({ kind: 'authentication-ok' })
const key = { processId: 42, secret: Buffer.from('deadbeef', 'hex') }
const greeting = Buffer.concat([
  ok,
  printServerMessage({ kind: 'parameter-status', name: 'server_version', value: '17.0' }),
  printServerMessage({ kind: 'notice-response', fields: new Map([['M', 'hello']]) }),
  printServerMessage({ kind: 'backend-key-data', key }),
  printServerMessage({ kind: 'ready-for-query', status: 'I' }),
])
const no = printFatal({ sqlstate: '3D000', message: 'no such database', hint: undefined })

describe('compute login', () => {
  test('a greeting comes out as it went in, with its key, wherever it is cut', () => {
    fc.assert(
      fc.property(fc.nat(greeting.length), (cut) => {
        const login = new ComputeLogin()
        let last: LoginProgress = login.receive(greeting.subarray(0, cut))
        if (cut < greeting.length) last = login.receive(greeting.subarray(cut))
        expect(last).toEqual({ kind: 'ready', greeting, key })
      }),
    )
  })

  test('what Postgres refuses is kept whole, before and after AuthenticationOk', () => {
    expect(new ComputeLogin().receive(no)).toEqual({
      kind: 'refused',
      sqlstate: '3D000',
      message: no,
    })
    const both = Buffer.concat([ok, no])
    expect(new ComputeLogin().receive(both)).toMatchObject({ kind: 'refused', message: both })
  })

  test('a compute that asks for a password is not ours', () => {
    const ask = printServerMessage({ kind: 'authentication-cleartext-password' })
    expect(new ComputeLogin().receive(ask)).toMatchObject({ kind: 'broken' })
  })

  test('a greeting without authentication is not believed', () => {
    expect(new ComputeLogin().receive(greeting.subarray(ok.length))).toMatchObject({
      kind: 'broken',
    })
  })

  test('arbitrary bytes wait or break', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(['waiting', 'broken', 'refused']).toContain(new ComputeLogin().receive(noise).kind)
      }),
    )
  })
})
