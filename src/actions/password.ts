/**
 * Passwords as scrypt verifiers (RFC 7914), each with the parameters it was made with, so that they
 * can grow without anybody choosing a new password. 64 MB and some tenths of a second each; at
 * most two are computed at a time, so that a flood of guesses costs time and not memory.
 */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { Secret } from '../lib/secret.ts'

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

const current = { logN: 16, r: 8, p: 2 } as const
const keyLength = 32
const atOnce = 2

/** `scrypt$logN$r$p$salt$key`, salt and key in base64url. */
export async function makeVerifier(password: Secret): Promise<string> {
  const salt = randomBytes(16)
  const key = await hash(password, salt, current)
  const { logN, r, p } = current
  return ['scrypt', logN, r, p, salt.toString('base64url'), key.toString('base64url')].join('$')
}

/** Takes as long for an account without a verifier as for one with. */
export async function verifyPassword(
  password: Secret,
  verifier: string | undefined,
): Promise<{ readonly isRight: boolean; readonly isOld: boolean }> {
  const [, logN, r, p, salt = '', key = ''] = (verifier ?? decoy).split('$')
  const parameters = { logN: Number(logN), r: Number(r), p: Number(p) }
  const expected = Buffer.from(key, 'base64url')
  const got = await hash(password, Buffer.from(salt, 'base64url'), parameters)
  const isSame = expected.length === got.length && timingSafeEqual(expected, got)
  const isOld =
    parameters.logN !== current.logN || parameters.r !== current.r || parameters.p !== current.p
  return { isRight: isSame && verifier !== undefined, isOld }
}

/** No password has this key. */
const decoy = [
  'scrypt',
  current.logN,
  current.r,
  current.p,
  Buffer.alloc(16).toString('base64url'),
  Buffer.alloc(keyLength).toString('base64url'),
].join('$')

let running = 0
const waiting: (() => void)[] = []

async function hash(
  password: Secret,
  salt: Buffer,
  { logN, r, p }: { readonly logN: number; readonly r: number; readonly p: number },
): Promise<Buffer> {
  if (running >= atOnce) await new Promise<void>((go) => waiting.push(go))
  running += 1
  try {
    // The same characters in another composition are the same password (RFC 8265 §4.2).
    const text = password.reveal().normalize('NFKC')
    return await derive(text, salt, keyLength, { N: 2 ** logN, r, p, maxmem: 256 * 2 ** logN * r })
  } finally {
    running -= 1
    waiting.shift()?.()
  }
}

/** Whoever would flood the queue waits outside. */
export const isCrowded = (): boolean => waiting.length > 50
