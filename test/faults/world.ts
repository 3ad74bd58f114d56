/** A server under faults: armed while it runs, and asked for what it acknowledged. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { catalogRows, openOperations, type Row } from '../fixtures/catalog-rows.ts'
import { nothingIsLeft } from '../fixtures/nothing-left.ts'
import { eventually, type Reply, type ServerOptions, TestServer } from '../fixtures/server.ts'
import { type Operation, production, type Request } from './operations.ts'

/** Processes that may be killed; `compute`: the postmaster of production. */
export const victims = ['server', 'gateway', 'catalog', 'compute'] as const
export type Victim = (typeof victims)[number]

export class World {
  readonly server: TestServer
  /** Rows of production's table `kept` whose commits were acknowledged. */
  readonly acknowledged: number[] = []
  #armings = 0

  private constructor(server: TestServer) {
    this.server = server
  }

  static async begin(options: ServerOptions = {}): Promise<World> {
    const server = await TestServer.prepare(options)
    const world = new World(server)
    try {
      writeFileSync(world.#failpoints, '')
      await world.launch()
      await world.sql('create table kept (n int primary key)')
      await world.commit()
    } catch (error) {
      console.error(server.output, server.log.slice(-4000))
      await server.dispose()
      throw error
    }
    return world
  }

  get #failpoints(): string {
    return join(this.server.stateDir, 'failpoints')
  }

  get #trace(): string {
    return join(this.server.stateDir, 'failpoints-passed')
  }

  readonly #env = () => ({
    LAKELET_FAILPOINTS_FILE: this.#failpoints,
    LAKELET_FAILPOINT_TRACE: this.#trace,
  })

  launch(): Promise<void> {
    return this.server.launch(this.#env())
  }

  launchOnly(): Promise<void> {
    return this.server.launchOnly(this.#env())
  }

  /** From the next passage on; '' disarms. */
  arm(list: string): void {
    writeFileSync(this.#failpoints, list)
  }

  /** Names passed while `work` runs, what is done in the background afterwards included. */
  async passedBy(work: () => Promise<unknown>): Promise<readonly string[]> {
    const lines = () => (existsSync(this.#trace) ? readFileSync(this.#trace, 'utf8') : '')
    this.#armings += 1
    this.arm(`traced-${this.#armings}=sleep:0`) // another list is another trace
    const before = lines().length
    await work()
    await nothingIsLeft(this.server)
    const passed = lines().slice(before).split('\n').filter(Boolean)
    this.arm('')
    return [...new Set(passed)]
  }

  /** Resolves when a failpoint is passed that `work` is to come to; it waits there when it is armed so. */
  async comesTo(point: string, armed: string, work: () => void): Promise<void> {
    const lines = () => (existsSync(this.#trace) ? readFileSync(this.#trace, 'utf8') : '')
    this.#armings += 1
    this.arm(`${armed},traced-${this.#armings}=sleep:0`) // another list is another trace
    const before = lines().length
    work()
    await eventually(`${point} is passed`, () => lines().slice(before).split('\n').includes(point))
  }

  /** Looked up before an operation begins: it may have no answer later. */
  async pidOf(victim: Victim): Promise<number> {
    const { server } = this
    switch (victim) {
      case 'server':
        return server.pid
      case 'gateway':
        return (await server.api('GET', '/api/lakelet/v1/status')).body.gateway.pid
      case 'catalog':
        return this.#postmasterOf('catalog')
      case 'compute': {
        const { body: branch } = await server.api('GET', `/api/2.0/postgres/${production}`)
        const { body: project } = await server.api('GET', '/api/2.0/postgres/projects/store')
        return this.#postmasterOf(`pool/${project.uid}/${branch.uid}/volume`)
      }
    }
  }

  #postmasterOf(directory: string): number {
    const file = join(this.server.stateDir, directory, 'postmaster.pid')
    return Number(readFileSync(file, 'utf8').split('\n')[0])
  }

  /** Whoever was killed may still be being started again. */
  async takesLogins(what: string): Promise<void> {
    await eventually(`${what}: logins work`, () =>
      this.sql('select 1').then(
        () => true,
        () => false,
      ),
    )
  }

  send({ method, path, body }: Request): Promise<Reply> {
    return this.server.api(method, `/api/2.0/postgres/${path}`, body)
  }

  /** A request that a fault may cut off. */
  attempt(request: Request): Promise<Reply | undefined> {
    return this.send(request).catch(() => undefined)
  }

  write({ method, path, body }: Request): Promise<Reply['body']> {
    return this.server.write(method, path, body)
  }

  async sql(text: string, branch = production, database?: string): Promise<readonly Row[]> {
    const options = database === undefined ? {} : { database }
    return (await this.server.sql(branch, text, options)).rows
  }

  /** One more commit, written down when it was acknowledged. */
  async commit(): Promise<void> {
    const n = this.acknowledged.length + 1
    await this.sql(`insert into kept values (${n})`)
    this.acknowledged.push(n)
  }

  async rowsOf(branch: string, endpoint = 'primary'): Promise<readonly number[]> {
    const { rows } = await this.server.sql(branch, 'select n from kept order by n', { endpoint })
    return rows.map(({ n }) => n)
  }

  /** Launches when it is down; resolves when no operation is open. */
  async settled(what: string): Promise<void> {
    await eventually(
      `${what}: settled`,
      async () => {
        if (this.server.isGone) await this.launch()
        if (!this.server.isUp) return false
        const open = await openOperations(this.server).catch(() => [{}])
        return open.length === 0
      },
      60_000,
    ).catch(async (error: unknown) => {
      const open = await openOperations(this.server).catch(String)
      throw new Error(`${String(error)}\n${JSON.stringify(open)}`)
    })
  }

  /** The newest operation of a kind that was accepted since this row number. */
  async accepted(kind: string, since: string): Promise<Row | undefined> {
    const rows = await catalogRows(
      this.server,
      `select state, fault from operations where kind = '${kind}' and seq > ${since} order by seq limit 1`,
    )
    return rows[0]
  }

  async lastSequence(): Promise<string> {
    const [row] = await catalogRows(
      this.server,
      'select coalesce(max(seq), 0) as seq from operations',
    )
    return String(row?.seq)
  }

  /** Exactly one of two ends, as the operation's own row says; nothing else is left, nothing is lost. */
  async endedInOneWay(
    operation: Operation,
    id: string,
    { since, what }: { readonly since: string; readonly what: string },
  ): Promise<'done' | 'not done'> {
    const row = await this.accepted(operation.kind, since)
    const isDone = await operation.isDone(this, id).catch((error: unknown) => {
      throw new Error(`${what}: neither end: ${String(error)}\n${JSON.stringify(row)}`)
    })
    expect(isDone, `${what}: ${JSON.stringify(row)}`).toBe(row?.state === 'succeeded')
    expect(await this.rowsOf(production), what).toEqual(this.acknowledged)
    await this.clean(operation, id)
    await nothingIsLeft(this.server).catch((error: unknown) => {
      throw new Error(`${what}: ${String(error)}`)
    })
    return isDone ? 'done' : 'not done'
  }

  /** As if no project of this major had been made yet: the next one makes its cluster. */
  forgetTemplate(major: number): void {
    const volume = join(this.server.stateDir, `pool/templates/postgres-${major}/volume`)
    if (existsSync(volume)) execFileSync('btrfs', ['subvolume', 'delete', volume])
  }

  async clean(operation: Operation, id: string): Promise<void> {
    for (const request of operation.clean(id)) {
      const { status, body } = await this.send(request)
      if (status === 404) continue
      expect(status, JSON.stringify(body)).toBe(200)
      await this.server.follow(body.name)
    }
  }
}
