/** SCRAM by the vector of RFC 7677 §3, and by what a client must not get away with. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolViolation } from './protocol-violation.ts'
import { finishScram, type StoredVerifier, startScram } from './scram-server.ts'

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest()

function verifierOf(password: string, salt: Buffer, iterations: number): StoredVerifier {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  return {
    iterations,
    salt,
    storedKey: sha256(hmac(salted, 'Client Key')),
    serverKey: hmac(salted, 'Server Key'),
  }
}

const rfc = {
  verifier: verifierOf('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096),
  clientFirst: Buffer.from('n,,n=user,r=rOprNGfwEbeRWgbNEkqO'),
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  serverFirst:
    'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal: Buffer.from(
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  ),
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
}
const begin = (clientFirst: string | Buffer) =>
  startScram(Buffer.from(clientFirst), rfc.verifier, rfc.serverNonce)

/** The client's side, written from the RFC. */
function prove(password: string, gs2: string, bare: string, serverFirst: string): Buffer {
  const parts = /^r=([^,]*),s=([^,]*),i=(\d+)$/.exec(serverFirst)
  const [, nonce = '', salt = '', iterations = ''] = parts ?? []
  const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  const withoutProof = `c=${Buffer.from(gs2).toString('base64')},r=${nonce}`
  const signature = hmac(sha256(clientKey), `${bare},${serverFirst},${withoutProof}`)
  const proof = Buffer.from(clientKey.map((byte, n) => byte ^ (signature[n] ?? 0)))
  return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
}

describe('SCRAM-SHA-256 server', () => {
  test('speaks the exchange of RFC 7677 word for word', () => {
    const { exchange, serverFirst } = begin(rfc.clientFirst)
    expect(serverFirst.toString()).toBe(rfc.serverFirst)
    expect(finishScram(exchange, rfc.clientFinal)?.toString()).toBe(rfc.serverFinal)
  })

  test('accepts a client that could bind channels and was not offered it', () => {
    const { exchange, serverFirst } = begin('y,,n=,r=abc')
    const proof = prove('pencil', 'y,,', 'n=,r=abc', serverFirst.toString())
    expect(finishScram(exchange, proof)).toBeDefined()
  })

  test('refuses a proof that was made for another channel binding flag', () => {
    const { exchange, serverFirst } = begin('y,,n=,r=abc')
    const proof = prove('pencil', 'n,,', 'n=,r=abc', serverFirst.toString())
    expect(() => finishScram(exchange, proof)).toThrow('channel binding')
  })

  test.each([
    ['channel binding', 'p=tls-server-end-point,,n=,r=abc'],
    ['an authorization identity', 'n,a=root,n=,r=abc'],
    ['a mandatory extension', 'n,,m=1,n=,r=abc'],
    ['no nonce', 'n,,n=,r='],
    ['a nonce with a space', 'n,,n=,r=a b'],
    ['an unknown flag', 'q,,n=,r=abc'],
    ['nothing', ''],
  ])('refuses %s', (_, clientFirst) => {
    expect(() => begin(clientFirst)).toThrow(ProtocolViolation)
  })

  test('refuses a nonce that is not the one of this exchange', () => {
    const { exchange } = startScram(rfc.clientFirst, rfc.verifier, 'another')
    expect(() => finishScram(exchange, rfc.clientFinal)).toThrow('nonce')
  })

  test('a changed bit anywhere in the proof is a failure', () => {
    const { exchange } = begin(rfc.clientFirst)
    const [head = '', proofText = ''] = rfc.clientFinal.toString().split(',p=')
    fc.assert(
      fc.property(fc.nat(255), (bit) => {
        const proof = Buffer.from(proofText, 'base64')
        proof[bit >> 3] = (proof[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const forged = Buffer.from(`${head},p=${proof.toString('base64')}`)
        expect(finishScram(exchange, forged)).toBeUndefined()
      }),
    )
  })

  test('only the right password gets in, whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.uint8Array({ minLength: 1 }), (a, b, salt) => {
        const verifier = verifierOf(a, Buffer.from(salt), 2)
        const { exchange, serverFirst } = startScram(Buffer.from('n,,n=,r=x'), verifier, 'y')
        const answer = finishScram(exchange, prove(b, 'n,,', 'n=,r=x', serverFirst.toString()))
        expect(answer !== undefined).toBe(a === b)
      }),
    )
  })

  test('arbitrary bytes end in a violation or a failure', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (noise) => {
        try {
          expect(finishScram(begin(rfc.clientFirst).exchange, Buffer.from(noise))).toBeUndefined()
          begin(Buffer.from(noise))
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolViolation)
        }
      }),
    )
  })
})
