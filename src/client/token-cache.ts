/**
 * Tokens of people who signed in, by server, in one file that nobody else may read. Several commands
 * may run at once, and a refresh token works once: whoever refreshes holds a lock on the file, and
 * looks again when they have it, since somebody may have been faster.
 */
import { mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeDurableFile } from '../lib/durable-file.ts'
import { Secret } from '../lib/secret.ts'
import { type Clock, epochMs, millis, minutes, rfc3339, seconds } from '../lib/time.ts'
import type { Contents } from './token-file.ts'
import type { UserTokens } from './user-sign-in.ts'

export class TokenCache {
  readonly path: string
  readonly #clock: Clock

  constructor(path: string, clock: Clock) {
    this.path = path
    this.#clock = clock
  }

  async get(host: string): Promise<UserTokens | undefined> {
    const { hosts } = await this.#read()
    const entry = Object.hasOwn(hosts, host) ? hosts[host] : undefined
    if (entry === undefined) return undefined
    return {
      accessToken: new Secret(entry.access_token),
      refreshToken: entry.refresh_token === undefined ? undefined : new Secret(entry.refresh_token),
      expireTime: epochMs(Date.parse(entry.expire_time)),
    }
  }

  /** `undefined` forgets the host. Only while the lock is held. */
  async set(host: string, tokens: UserTokens | undefined): Promise<void> {
    const { hosts } = await this.#read()
    const { [host]: _, ...others } = hosts
    const entry =
      tokens === undefined
        ? {}
        : {
            [host]: {
              access_token: tokens.accessToken.reveal(),
              refresh_token: tokens.refreshToken?.reveal(),
              expire_time: rfc3339(tokens.expireTime),
            },
          }
    const contents: Contents = { version: 1, hosts: { ...others, ...entry } }
    await writeDurableFile(this.path, `${JSON.stringify(contents, undefined, 2)}\n`)
  }

  /** One process at a time; a lock that was left behind is broken after a minute. */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 })
    const lock = `${this.path}.lock`
    const end = this.#clock.monotonic() + minutes(2)
    while (!(await take(lock))) {
      if (await this.#isStale(lock)) await rm(lock, { force: true })
      else await this.#clock.sleep(millis(50))
      if (this.#clock.monotonic() > end) throw new Error(`${lock} is held by another command`)
    }
    try {
      return await work()
    } finally {
      await rm(lock, { force: true })
    }
  }

  async #isStale(lock: string): Promise<boolean> {
    const age = await stat(lock).then(
      ({ mtimeMs }) => this.#clock.now() - mtimeMs,
      () => 0, // gone: try again
    )
    return age > seconds(60)
  }

  async #read(): Promise<Contents> {
    let text: string
    try {
      text = await readFile(this.path, 'utf8')
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
        return { version: 1, hosts: {} }
      }
      throw error
    }
    const { fileSchema } = await import('./token-file.ts')
    try {
      return fileSchema.parse(JSON.parse(text))
    } catch {
      // A cache: what cannot be read is as good as gone.
      return { version: 1, hosts: {} }
    }
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx', 0o600)).close()
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}
