/**
 * The server that is measured: `lakelet up` as a process of its own, on free ports, with a state
 * directory that is thrown away; and its API, followed as the SDKs follow it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { plainEnvironment, run } from './commands.ts'

export const program = resolve(import.meta.dirname, '../../dist/main/lakelet.js')

// biome-ignore lint/suspicious/noExplicitAny: answers are read as clients read them, by field name
export type Body = any

export type Driver = 'btrfs' | 'reflink' | 'copy'

export class LakeletServer {
  readonly stateDir: string
  readonly apiPort: number
  readonly pgPort: number
  readonly #flags: readonly string[]
  readonly #env: Readonly<Record<string, string>>
  #child: ChildProcess | undefined
  #output = ''
  #owner: string | undefined

  private constructor(
    stateDir: string,
    ports: readonly [number, number],
    flags: readonly string[],
    env: Readonly<Record<string, string>>,
  ) {
    this.stateDir = stateDir
    this.apiPort = ports[0]
    this.pgPort = ports[1]
    this.#flags = flags
    this.#env = env
  }

  static async create(
    stateDir: string,
    driver: Driver,
    poolBytes: number | undefined,
    env: Readonly<Record<string, string>> = {},
  ): Promise<LakeletServer> {
    return new LakeletServer(
      stateDir,
      [await freePort(), await freePort()],
      [
        `--storage=${driver}`,
        '--max-branches-per-project=100000', // as many as the options ask for
        ...(poolBytes === undefined ? [] : [`--pool-size=${Math.round(poolBytes / 1024 ** 2)}MB`]),
      ],
      env,
    )
  }

  /** Resolves when the start screen is there; answers with the milliseconds that took. */
  async start(command: readonly string[] = [program, 'up']): Promise<number> {
    this.#output = ''
    const began = performance.now()
    // A process group of its own: Ctrl-C is for us, and we end it in order.
    const child = spawn(
      process.execPath,
      [
        ...command,
        `--state-dir=${this.stateDir}`,
        `--api-port=${this.apiPort}`,
        `--pg-port=${this.pgPort}`,
        ...this.#flags,
      ],
      {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...plainEnvironment(), NO_COLOR: '1', ...this.#env },
      },
    )
    this.#child = child
    await new Promise<void>((done, fail) => {
      const read = (bytes: Buffer) => {
        this.#output += bytes.toString()
        if (this.#output.includes('is running.')) done()
      }
      child.stdout.on('data', read)
      child.stderr.on('data', read)
      child.once('error', fail)
      child.once('exit', () => fail(new Error(`the server did not start:\n${this.#output}`)))
    })
    return performance.now() - began
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<boolean>((done) => child.once('exit', () => done(true)))
    child.kill('SIGTERM')
    if (await Promise.race([gone, delay(120_000, false, { ref: false })])) return
    child.kill('SIGKILL')
    await gone
    throw new Error(`the server did not stop within two minutes:\n${this.#output}`)
  }

  /** What its log has to say of trouble: the last lines that are worse than information. */
  troubles(): readonly string[] {
    const file = join(this.stateDir, 'log/server.log')
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
    return lines.filter((line) => !line.includes('"level":"info"')).slice(-5)
  }

  /** Stops the server and whatever it left: processes on its state directory, mounts below it. */
  async dispose(): Promise<void> {
    const problem = await this.stop().then(
      () => undefined,
      (error: unknown) => error,
    )
    for (const pid of processesNaming(this.stateDir)) process.kill(pid, 'SIGKILL')
    for (const path of mountsBelow(this.stateDir)) await run('umount', [path])
    if (problem !== undefined) throw problem
  }

  get url(): string {
    return `http://127.0.0.1:${this.apiPort}`
  }

  get token(): string {
    return readFileSync(join(this.stateDir, 'owner-token'), 'utf8').trim()
  }

  get caFile(): string {
    return join(this.stateDir, 'ca.pem')
  }

  async api(method: string, path: string, body?: unknown): Promise<Body> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  postgres(method: string, path: string, body?: unknown): Promise<Body> {
    return this.api(method, `/api/2.0/postgres/${path}`, body)
  }

  /** Polls at once, as the SDKs do; an operation that is not over by then is polled every second. */
  async follow(operation: Body): Promise<Body> {
    for (let polls = 0; polls < 600; polls += 1) {
      const seen = await this.postgres('GET', operation.name)
      if (seen.error !== undefined) throw new Error(JSON.stringify(seen.error))
      if (seen.done === true) return seen.response
      await delay(1000)
    }
    throw new Error(`operation ${operation.name} does not end`)
  }

  async write(method: string, path: string, body?: unknown): Promise<Body> {
    return this.follow(await this.postgres(method, path, body))
  }

  /** Login name of the owner, who measures. */
  async owner(): Promise<string> {
    this.#owner ??= (await this.api('GET', '/api/2.0/preview/scim/v2/Me')).userName as string
    return this.#owner
  }

  async createBranch(project: string, id: string, source?: string): Promise<Body> {
    return this.write('POST', `${project}/branches?branch_id=${id}`, {
      spec: { no_expiry: true, ...(source === undefined ? {} : { source_branch: source }) },
    })
  }

  async purge(branch: string): Promise<void> {
    await this.write('DELETE', `${branch}?purge=true`)
  }

  async endpoint(branch: string): Promise<Body> {
    return this.postgres('GET', `${branch}/endpoints/primary`)
  }

  /** The branch's endpoint stopped, and ready to be woken by the next connection. */
  async suspend(branch: string): Promise<void> {
    const path = `${branch}/endpoints/primary?update_mask=spec.disabled`
    await this.write('PATCH', path, { spec: { disabled: true } })
    await this.write('PATCH', path, { spec: { disabled: false } })
    await this.expectState(branch, 'IDLE')
  }

  /** A measurement of the wrong state would be a wrong measurement. */
  async expectState(branch: string, wanted: 'IDLE' | 'ACTIVE'): Promise<void> {
    const { current_state: seen } = (await this.endpoint(branch)).status
    if (seen !== wanted) throw new Error(`${branch} is ${seen}, not ${wanted}`)
    const { data } = await this.volume(branch)
    if (existsSync(join(data, 'postmaster.pid')) !== (wanted === 'ACTIVE')) {
      throw new Error(`${branch} says ${wanted}, but its data directory says otherwise`)
    }
  }

  /** Data directory and WAL directory of a branch. */
  async volume(branch: string): Promise<{ readonly data: string; readonly wal: string }> {
    const [, project = ''] = branch.split('/')
    const id = `${(await this.postgres('GET', `projects/${project}`)).uid}/${
      (await this.postgres('GET', branch)).uid
    }`
    return {
      data: join(this.stateDir, 'pool', id, 'volume'),
      wal: join(this.stateDir, 'wal', id, 'live'),
    }
  }

  /** Pid of the postmaster of an awake branch. */
  async postmaster(branch: string): Promise<number> {
    const { data } = await this.volume(branch)
    return Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
  }
}

export function processesNaming(text: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(text)
      } catch {
        return false // it ended meanwhile
      }
    })
    .map(Number)
}

/** Deepest first. */
export function mountsBelow(directory: string): readonly string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${directory}/`) || path === directory)
    .reverse()
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer()
    server.once('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address !== null
          ? done(address.port)
          : fail(new Error('no free port')),
      )
    })
  })
}
