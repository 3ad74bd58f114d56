/**
 * The keys that sign database credentials and ID tokens: one file, the first key signs, all of them
 * verify, so that a rotation leaves credentials in circulation good until they end by themselves.
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
import { type Clock, type EpochMs, epochMs } from '../lib/time.ts'
import { planRotation, signingRule } from './rotation.ts'

/** ECDSA on P-256 with SHA-256: short tokens, and quick to verify. */
export const signingAlgorithm = 'ES256'

export interface SigningKey {
  readonly id: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  /** For the key set that anyone may read. */
  readonly publicJwk: JWK
  /** With the private part: for the OAuth issuer, which signs ID tokens. */
  readonly privateJwk: JWK
}

/** A key as it is in the file; one of before there was rotation does not know when it was made. */
type StoredKey = JWK & { readonly made?: number }

/**
 * Newest first; made on the first start, followed by a new one when its time is over. `earlier`: what
 * the last call gave, which is given again while the file says the same.
 */
export async function openSigningKeys(
  layout: Layout,
  clock: Clock,
  earlier: readonly SigningKey[] = [],
): Promise<readonly SigningKey[]> {
  await mkdir(layout.keys, { recursive: true, mode: 0o700 })
  const path = join(layout.keys, 'credential-signing-keys.json')
  const stored = await rotated(path, await read(path), clock.now())
  const ids = stored.map(({ kid }) => kid)
  if (ids.length === earlier.length && earlier.every(({ id }, at) => id === ids[at])) return earlier
  return Promise.all(stored.map(load))
}

async function rotated(
  path: string,
  stored: readonly StoredKey[],
  now: EpochMs,
): Promise<readonly StoredKey[]> {
  const known = stored.map((key) => ({ ...key, made: key.made ?? now }))
  const { isDue, keep } = planRotation(
    known.map(({ made }) => epochMs(made)),
    now,
    signingRule,
  )
  const keys = [...(isDue ? [await make(now)] : []), ...known.slice(0, keep)]
  const isSame = !isDue && keep === stored.length && stored.every(({ made }) => made !== undefined)
  if (!isSame) await writeDurableFile(path, `${JSON.stringify({ keys })}\n`)
  return keys
}

async function read(path: string): Promise<readonly StoredKey[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  const { keys } = JSON.parse(text) as { keys?: StoredKey[] }
  // Never replaced in silence: new keys would make every credential in circulation invalid.
  if (!Array.isArray(keys) || keys.length === 0) throw new Error(`${path} holds no keys`)
  return keys
}

async function make(now: EpochMs): Promise<StoredKey> {
  const { privateKey } = await generateKeyPair(signingAlgorithm, { extractable: true })
  const jwk = await exportJWK(privateKey)
  const kid = await calculateJwkThumbprint(jwk)
  return { ...jwk, kid, alg: signingAlgorithm, use: 'sig', made: now }
}

async function load({ made: _, ...jwk }: StoredKey): Promise<SigningKey> {
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
  return { id: kid, privateKey, publicKey, publicJwk, privateJwk: jwk }
}
