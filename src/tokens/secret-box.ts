/**
 * Secrets that others gave us and that we need again, such as the password of an import's source: sealed
 * before they reach the catalog (JWE, `dir` with A256GCM), with a key beside the others in the state
 * directory, so that a copy of the catalog opens nothing.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CompactEncrypt, compactDecrypt, errors } from 'jose'
import type { Layout } from '../domain/layout.ts'
import { writeDurableFile } from '../lib/durable-file.ts'
import { Secret } from '../lib/secret.ts'
import type { SecretBox } from '../ports/secret-box.ts'

const keyBytes = 32

export async function openSecretBox(layout: Pick<Layout, 'keys'>): Promise<SecretBox> {
  await mkdir(layout.keys, { recursive: true, mode: 0o700 })
  const path = join(layout.keys, 'secret-box-key')
  const key = (await read(path)) ?? (await make(path))
  return {
    seal: (secret) =>
      new CompactEncrypt(new TextEncoder().encode(secret.reveal()))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .encrypt(key),
    async open(sealed) {
      try {
        const { plaintext } = await compactDecrypt(sealed, key, {
          keyManagementAlgorithms: ['dir'],
          contentEncryptionAlgorithms: ['A256GCM'],
        })
        return new Secret(new TextDecoder().decode(plaintext))
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined
        throw error
      }
    },
  }
}

async function read(path: string): Promise<Uint8Array | undefined> {
  try {
    const key = Buffer.from((await readFile(path, 'utf8')).trim(), 'base64url')
    if (key.length !== keyBytes) throw new Error(`${path} does not hold a key of 256 bits`)
    return key
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function make(path: string): Promise<Uint8Array> {
  const key = randomBytes(keyBytes)
  await writeDurableFile(path, `${key.toString('base64url')}\n`)
  return key
}
