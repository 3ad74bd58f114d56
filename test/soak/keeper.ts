/**
 * The server of a soak: started again whenever it is gone, and asked by clients who know that an answer
 * may never come.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { type Reply, TestServer } from '../fixtures/server.ts'

/** How long anything may take to come back, on a busy machine too; longer is a finding. */
const patience = 240_000

/** What became of a write. */
export type Ended =
  | { readonly kind: 'done'; readonly response: Reply['body'] }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  /** Sent, and no answer came: it was accepted or not. */
  | { readonly kind: 'unheard' }

export class Keeper {
  readonly server: TestServer
  readonly #trace: string
  readonly #armed: string
  #owner: string | undefined
  /** Ends of the server that nobody asked for. */
  readonly surprises: string[] = []
  /** Until then (a time in ms) the server may end by itself. */
  #minedUntil = 0
  #isArmed = false
  #launching: Promise<void> | undefined
  #hurts = 0
  #isOver = false

  private constructor(server: TestServer, trace: string, armed: string) {
    this.server = server
    this.#trace = trace
    this.#armed = armed
  }

  static async start(scratch: string, poolSize: string): Promise<Keeper> {
    const [trace, armed] = [join(scratch, 'passed'), join(scratch, 'armed')]
    writeFileSync(armed, '')
    const server = await TestServer.start({
      storage: 'btrfs',
      poolSize,
      env: {
        LAKELET_FAILPOINT_TRACE: trace,
        LAKELET_FAILPOINTS_FILE: armed,
        LAKELET_MAX_ROOT_BRANCHES_PER_PROJECT: '100',
        LAKELET_MAX_SNAPSHOTS_PER_PROJECT: '100',
      },
    })
    const keeper = new Keeper(server, trace, armed)
    void keeper.#watch()
    return keeper
  }

  /** Names of failpoints that were passed so far. */
  failpoints(): readonly string[] {
    if (!existsSync(this.#trace)) return []
    return [...new Set(readFileSync(this.#trace, 'utf8').split('\n').filter(Boolean))]
  }

  /** At its next passage but so many, the server ends there or the work fails. */
  arm(failpoint: string, act: 'kill' | 'error', passage: number): void {
    this.#isArmed = true
    if (act === 'kill') this.#minedUntil = Number.POSITIVE_INFINITY
    writeFileSync(this.#armed, `${failpoint}=${act}@${passage}`)
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      await delay(50)
      if (this.#isOver || this.#launching !== undefined || !this.server.isGone) continue
      if (Date.now() > this.#minedUntil)
        this.surprises.push(`the server ended: ${this.server.output.slice(-2000)}`)
      await this.#launch().catch(() => undefined) // said there
    }
  }

  /** Something that the server needs was ended: a start meanwhile may fail. */
  isHurt(): void {
    this.#hurts += 1
  }

  /** One start at a time; one that fails is tried again, and is a surprise unless somebody hurt it. */
  #launch(): Promise<void> {
    this.#launching ??= (async () => {
      try {
        const hurts = this.#hurts
        await this.server.launch().catch(async (error: unknown) => {
          if (!this.#isArmed && this.#hurts === hurts) this.surprises.push(`no start: ${error}`)
          this.#disarm()
          await this.server.kill()
          await this.server.launch()
        })
        this.#disarm()
      } finally {
        this.#launching = undefined
      }
    })()
    return this.#launching
  }

  #disarm(): void {
    writeFileSync(this.#armed, '')
    // Whoever has read it just before is on the way to its end.
    this.#minedUntil = Math.min(this.#minedUntil, Date.now() + 2000)
    this.#isArmed = false
  }

  /** SIGKILL, or a stop in order, and a start; what was armed may be met on the way. */
  async restart(how: 'kill' | 'stop'): Promise<void> {
    await this.#launching
    const ending = (async () => {
      if (!this.server.isGone) await this.server[how]()
    })()
    this.#launching = ending // so that nobody is surprised
    await ending.finally(() => {
      this.#launching = undefined
    })
    await this.#launch()
  }

  /** No start any more: the server may be disposed of. */
  async end(): Promise<void> {
    this.#isOver = true
    await this.#launching?.catch(() => undefined)
    await this.server.dispose()
  }

  async get(path: string): Promise<Reply> {
    return this.#until(`GET ${path}`, async () => {
      const reply = await this.server.api('GET', path)
      return reply.status >= 500 ? undefined : reply
    })
  }

  postgres(path: string): Promise<Reply> {
    return this.get(`/api/2.0/postgres/${path}`)
  }

  /** A write, followed to its end over all restarts. */
  async write(method: string, path: string, body?: unknown): Promise<Ended> {
    let reply: Reply
    try {
      reply = await this.server.api(method, `/api/2.0/postgres/${path}`, body)
    } catch {
      return { kind: 'unheard' }
    }
    if (reply.status !== 200) return refusal(reply.body)
    const { name } = reply.body
    const operation = await this.#until(`the end of ${name}`, async () => {
      const seen = await this.server.api('GET', `/api/2.0/postgres/${name}`)
      if (seen.status === 404) return seen // with what it was about
      return seen.status === 200 && seen.body.done === true ? seen : undefined
    })
    const { error, response } = operation.body
    if (operation.status === 404) return { kind: 'unheard' }
    return error === undefined ? { kind: 'done', response } : refusal(error)
  }

  /** Repeated until it was heard: of writes that may be done twice. */
  async insist(method: string, path: string, body?: unknown): Promise<Ended> {
    return this.#until(`${method} ${path}`, async () => {
      const ended = await this.write(method, path, body)
      if (ended.kind === 'unheard') return undefined
      return ended.kind === 'refused' && passes.has(ended.code) ? undefined : ended
    })
  }

  async connect(branch: string, endpoint = 'primary'): Promise<pg.Client> {
    const name = `${branch}/endpoints/${endpoint}`
    const { body, status } = await this.server.api('GET', `/api/2.0/postgres/${name}`)
    if (status !== 200) throw new Error(`${name}: ${status}`)
    this.#owner ??= (await this.server.api('GET', '/api/2.0/preview/scim/v2/Me')).body.userName
    const client = new pg.Client({
      host: body.status.hosts.host,
      port: this.server.pgPort,
      user: this.#owner ?? '',
      password: await this.server.credential(branch, this.server.token, { endpoint: name }),
      database: 'databricks_postgres',
      ssl: { ca: this.server.ca },
      connectionTimeoutMillis: 30_000,
      query_timeout: 60_000,
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
    } catch (error) {
      void client.end().catch(() => undefined)
      throw error
    }
    return client
  }

  /** In a session of its own, begun anew until it succeeds. */
  async session<T>(
    branch: string,
    work: (client: pg.Client) => Promise<T>,
    endpoint = 'primary',
  ): Promise<T> {
    return this.#until(`a session on ${branch}`, async () => {
      const client = await this.connect(branch, endpoint)
      try {
        return { value: await work(client) }
      } finally {
        void client.end().catch(() => undefined)
      }
    }).then(({ value }) => value)
  }

  /** Errors count as “not yet”; the last is told. */
  async #until<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
    const end = Date.now() + patience
    let last: unknown
    while (Date.now() < end) {
      try {
        const seen = await attempt()
        if (seen !== undefined) return seen
      } catch (error) {
        last = error
      }
      await delay(100)
    }
    throw new Error(`not in ${patience / 1000} s: ${what}; ${last ?? 'no error'}`)
  }
}

/** Refusals that go away by themselves after a fault. */
const passes = new Set(['TEMPORARILY_UNAVAILABLE', 'INTERNAL_ERROR', 'ABORTED'])

const refusal = ({ error_code, message }: { error_code?: string; message?: string }): Ended => ({
  kind: 'refused',
  code: error_code ?? 'UNKNOWN',
  message: message ?? '',
})
