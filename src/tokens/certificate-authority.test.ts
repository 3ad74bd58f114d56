/** The CA and its leaves, judged by a real TLS handshake with verification. */
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createSecureContext, TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Layout, layoutOf } from '../domain/layout.ts'
import { type Clock, days, epochMs, systemClock } from '../lib/time.ts'
import type { CertificateAuthority } from '../ports/tokens.ts'
import { authorityFile, openCertificateAuthority } from './certificate-authority.ts'

const names = ['ep-green-field.localhost', '*.lakelet.test']
const addresses = ['127.0.0.1', '127.88.3.4']
let layout: Layout
let authority: CertificateAuthority
let moment = systemClock.now()
const clock: Clock = { ...systemClock, now: () => moment }

beforeAll(async () => {
  layout = layoutOf(await mkdtemp(join(tmpdir(), 'lakelet-ca-')))
  authority = await openCertificateAuthority({ layout, clock })
})
afterAll(() => rm(layout.root, { recursive: true, force: true }))

/** One handshake with full verification against the CA. */
async function handshake(checkAs: { servername?: string; host: string }): Promise<void> {
  const { chain, key } = await authority.leaf(names, addresses)
  const secureContext = createSecureContext({ cert: chain, key, minVersion: 'TLSv1.2' })
  const server = createServer((socket) => {
    new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined).resume()
  })
  await new Promise<void>((resolve) => server.listen(0, checkAs.host, resolve))
  try {
    await new Promise<void>((resolve, reject) => {
      const client = connect({
        ...checkAs,
        port: (server.address() as AddressInfo).port,
        ca: authority.certificate,
      })
      client.once('secureConnect', () => client.end(() => resolve()))
      client.once('error', reject)
    })
  } finally {
    server.close()
  }
}

describe('certificate authority', () => {
  test('a client that trusts the CA accepts the leaf by name, by wildcard and by address', async () => {
    await handshake({ host: '127.0.0.1', servername: 'ep-green-field.localhost' })
    await handshake({ host: '127.0.0.1', servername: 'ep-other.lakelet.test' })
    await handshake({ host: '127.88.3.4' })
  })

  test('and refuses it by a name or address that is not in it', async () => {
    const wrong = 'ERR_TLS_CERT_ALTNAME_INVALID'
    await expect(
      handshake({ host: '127.0.0.1', servername: 'ep-else.localhost' }),
    ).rejects.toMatchObject({ code: wrong })
    await expect(handshake({ host: '127.88.3.5' })).rejects.toMatchObject({ code: wrong })
  })

  test('the leaf is for TLS servers only, and not a CA', async () => {
    const leaf = new X509Certificate((await authority.leaf(names, addresses)).chain)
    expect(leaf.ca).toBe(false)
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']) // Node gives the extended usages here
    expect(leaf.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' })
    expect(leaf.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
  })

  test('the same names give the same leaf until it nears its end', async () => {
    const first = await authority.leaf(names, addresses)
    expect(await authority.leaf([...names].reverse(), addresses)).toBe(first)
    const before = moment
    moment = epochMs(moment + days(334))
    expect(await authority.leaf(names, addresses)).toBe(first)
    moment = epochMs(before + days(336))
    expect(await authority.leaf(names, addresses)).not.toBe(first)
    moment = before
  })

  test('the CA is made once, for ten years; its key is private and its certificate public', async () => {
    const again = await openCertificateAuthority({ layout, clock })
    expect(again.certificate).toBe(authority.certificate)
    const { validTo } = new X509Certificate(authority.certificate)
    const years = (epochMs(Date.parse(validTo)) - moment) / days(365)
    expect(Math.round(years)).toBe(10)
    expect((await stat(join(layout.keys, 'ca.pem'))).mode & 0o777).toBe(0o600)
    expect((await stat(authorityFile(layout))).mode & 0o777).toBe(0o644)
    const leaf = new X509Certificate((await again.leaf(['x.test'], [])).chain)
    expect(leaf.checkIssued(new X509Certificate(authority.certificate))).toBe(true)
  })

  test('leaves of many names stay bounded', async () => {
    const first = await authority.leaf(['n0.test'], [])
    for (let n = 1; n <= 1_000; n += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, i) => authority.leaf([`n${n + i}.test`], [])),
      )
    }
    expect(await authority.leaf(['n0.test'], [])).not.toBe(first)
  })
})
