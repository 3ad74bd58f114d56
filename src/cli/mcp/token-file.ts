/** The bearer token of `lakelet mcp --http`: made once and kept, so that what clients were told goes on to hold. */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { writeDurableFile } from '../../lib/durable-file.ts'
import { Secret } from '../../lib/secret.ts'
import { Refusal } from '../refusal.ts'
import type { CliIo } from '../terminal.ts'

const shortest = 32

export function usualTokenFile({ env }: Pick<CliIo, 'env'>): string {
  const config = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config')
  return join(config, 'lakelet', 'mcp-token')
}

/** What is there, else a new one (0600). Throws Refusal for one that others may read, or that could be guessed. */
export async function readOrMakeToken(path: string): Promise<Secret> {
  const seen = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (seen === undefined) {
    const made = randomBytes(32).toString('base64url')
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeDurableFile(path, `${made}\n`)
    return new Secret(made)
  }
  if ((seen.mode & 0o077) !== 0) {
    throw new Refusal(
      `${path} may be read by others`,
      `Take that away (chmod 600 ${path}), or remove it: a new token is made.`,
    )
  }
  const token = (await readFile(path, 'utf8')).trim()
  if (token.length >= shortest && !/\s/.test(token)) return new Secret(token)
  throw new Refusal(
    `${path} holds no token of ${shortest} characters or more`,
    'Remove it: a new one is made.',
  )
}
