/**
 * The secrets of the OAuth issuer: what signs its cookies and seals its records in the catalog. They
 * stand in the state directory and not in the catalog, so that a copy of the catalog opens nothing.
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Layout } from '../domain/layout.ts'
import { writeDurableFile } from '../lib/durable-file.ts'
import { type Clock, epochMs } from '../lib/time.ts'
import { planRotation, sealingRule } from './rotation.ts'

export interface OAuthSecrets {
  /** Newest first; the first one signs, all of them verify. */
  readonly cookieKeys: readonly string[]
  /** 256 bits each, newest first; the first one seals, all of them open. */
  readonly sealingKeys: readonly { readonly id: string; readonly key: Uint8Array }[]
}

const fileSchema = z.object({
  secrets: z.array(
    z.object({ id: z.string().min(1), made: z.number(), value: z.base64url().min(43) }),
  ),
})
type Stored = z.infer<typeof fileSchema>['secrets']

/** Made on the first start; followed by a new one at the first start after its time. */
export async function openOAuthSecrets(layout: Layout, clock: Clock): Promise<OAuthSecrets> {
  await mkdir(layout.keys, { recursive: true, mode: 0o700 })
  const path = join(layout.keys, 'oauth-secrets.json')
  const stored = await read(path)
  const now = clock.now()
  const { isDue, keep } = planRotation(
    stored.map(({ made }) => epochMs(made)),
    now,
    sealingRule,
  )
  const fresh: Stored = isDue
    ? [
        {
          id: randomBytes(6).toString('hex'),
          made: now,
          value: randomBytes(32).toString('base64url'),
        },
      ]
    : []
  const secrets = [...fresh, ...stored.slice(0, keep)]
  if (isDue || keep < stored.length) {
    await writeDurableFile(path, `${JSON.stringify({ secrets })}\n`)
  }
  return {
    cookieKeys: secrets.map(({ value }) => derive(value, 'cookies').toString('base64url')),
    sealingKeys: secrets.map(({ id, value }) => ({ id, key: derive(value, 'records') })),
  }
}

async function read(path: string): Promise<Stored> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  return fileSchema.parse(JSON.parse(text)).secrets
}

const derive = (value: string, use: string): Buffer =>
  Buffer.from(hkdfSync('sha256', Buffer.from(value, 'base64url'), '', `lakelet ${use}`, 32))
