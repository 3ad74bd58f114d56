/**
 * The keys that sign database credentials: one file, the first key signs, all of them verify, so
 * that a rotation leaves credentials in circulation good until they end by themselves.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose'
import type { Layout } from '../domain/layout.ts'
import { writeDurableFile } from '../lib/durable-file.ts'

/** ECDSA on P-256 with SHA-256: short tokens, and quick to verify. */
export const signingAlgorithm = 'ES256'

export interface SigningKey {
  readonly id: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  /** For the key set that anyone may read. */
  readonly publicJwk: JWK
}

/** Newest first; made on the first start. */
export async function openSigningKeys(layout: Layout): Promise<readonly SigningKey[]> {
  await mkdir(layout.keys, { recursive: true, mode: 0o700 })
  const path = join(layout.keys, 'credential-signing-keys.json')
  const stored = (await read(path)) ?? (await make(path))
  return Promise.all(stored.map(load))
}

async function read(path: string): Promise<readonly JWK[] | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const { keys } = JSON.parse(text) as { keys?: JWK[] }
  // Never replaced in silence: new keys would make every credential in circulation invalid.
  if (!Array.isArray(keys) || keys.length === 0) throw new Error(`${path} holds no keys`)
  return keys
}

async function make(path: string): Promise<readonly JWK[]> {
  const { privateKey } = await generateKeyPair(signingAlgorithm, { extractable: true })
  const jwk = await exportJWK(privateKey)
  const kid = await calculateJwkThumbprint(jwk)
  const keys = [{ ...jwk, kid, alg: signingAlgorithm, use: 'sig' }]
  await writeDurableFile(path, `${JSON.stringify({ keys })}\n`)
  return keys
}

async function load(jwk: JWK): Promise<SigningKey> {
  const { kid, kty, crv, x, y } = jwk
  if (kid === undefined || kty === undefined) throw new Error('a signing key has no id')
  // Named one by one: the private part must not reach the published set by a spread.
  const publicJwk = {
    kty,
    ...(crv === undefined ? {} : { crv }),
    ...(x === undefined ? {} : { x }),
    ...(y === undefined ? {} : { y }),
    kid,
    alg: signingAlgorithm,
    use: 'sig',
  }
  const privateKey = await importJWK(jwk, signingAlgorithm)
  const publicKey = await importJWK(publicJwk, signingAlgorithm)
  if (privateKey instanceof Uint8Array || publicKey instanceof Uint8Array) {
    throw new Error(`signing key ${kid} is not an elliptic curve key`)
  }
  return { id: kid, privateKey, publicKey, publicJwk }
}
