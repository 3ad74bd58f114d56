/**
 * Forms of the sign-in pages: read within bounds, and believed only when they come from a page of
 * ours. Three things must agree: the browser's word on where the request is from, a token in the form,
 * and what that token was made for, which is in a cookie or in the address and not known to others.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Fault } from '../domain/faults.ts'

const longestForm = 16 * 1024

/** Fields by name, the first of each; throws BODY_TOO_LARGE or FORM_STALE. */
export async function readForm(request: IncomingMessage): Promise<ReadonlyMap<string, string>> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')) {
    throw new Fault('FORM_STALE')
  }
  const text = (await readBody(request, longestForm)).toString('utf8')
  const fields = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (!fields.has(name)) fields.set(name, value)
  }
  return fields
}

/** Throws BODY_TOO_LARGE; whoever sends on is cut off by the server's own deadlines. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) {
    throw new Fault('BODY_TOO_LARGE', { limit })
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += (chunk as Buffer).length
    if (length > limit) throw new Fault('BODY_TOO_LARGE', { limit })
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}

export interface FormTokens {
  make(purpose: string): string
  /** Throws FORM_STALE. */
  check(request: IncomingMessage, purpose: string, token: string | undefined): void
}

export function formTokens(keys: readonly string[]): FormTokens {
  const sign = (key: string, purpose: string) =>
    createHmac('sha256', key).update(`form:${purpose}`).digest()
  return {
    make: (purpose) => sign(keys[0] ?? '', purpose).toString('base64url'),
    check(request, purpose, token = '') {
      const site = request.headers['sec-fetch-site']
      if (site !== undefined && site !== 'same-origin') throw new Fault('FORM_STALE')
      const given = Buffer.from(token, 'base64url')
      const isOurs = keys.some((key) => {
        const expected = sign(key, purpose)
        return given.length === expected.length && timingSafeEqual(given, expected)
      })
      if (!isOurs) throw new Fault('FORM_STALE')
    },
  }
}
