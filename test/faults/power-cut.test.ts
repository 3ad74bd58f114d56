/**
 * The power goes at random moments, while every branch is written to and operations run: the disk as it was
 * then (fixtures/power.ts) is started from. Every branch recovers, holds every commit that had been
 * acknowledged, in whole transactions and with sound indexes, and every operation has one of its two ends.
 *
 * LAKELET_TEST_FAULTS=long: more cuts, and every driver with more of them.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { type ImageKind, unmountAll, whyNoImages } from '../fixtures/loop-image.ts'
import { nothingIsLeft } from '../fixtures/nothing-left.ts'
import { PoweredDisk } from '../fixtures/power.ts'
import { type Chance, chance } from '../fixtures/seed.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const isLong = process.env.LAKELET_TEST_FAULTS === 'long'
const noImages = whyNoImages('xfs') ?? whyNoImages('ext4') ?? whyNoImages('btrfs')
const store = 'projects/store'
const cuts = isLong ? 20 : 3

/** What one branch was told and what it was asked, in the order in which it happened. */
interface Line {
  readonly name: string
  readonly source: Line | undefined
  /** Rows of its source that had been acknowledged when it was asked for. */
  readonly inherited: readonly number[]
  readonly attempted: Set<number>
  readonly acknowledged: number[]
  isMade: boolean
  isDeleteAsked: boolean
  isDeleted: boolean
}

/** The same, as it was known when the power went. */
interface Known {
  readonly name: string
  readonly mustHave: readonly number[]
  readonly mustBeThere: boolean
  readonly mustBeGone: boolean
}

interface Cut {
  readonly copy: string
  readonly known: readonly Known[]
  readonly snapshots: readonly string[]
}

class Writers {
  readonly lines: Line[] = []
  readonly snapshots: string[] = []
  readonly #server: TestServer
  readonly #chance: Chance
  readonly #work: Promise<unknown>[] = []
  #isOver = false
  #next = 0
  #made = 0

  constructor(server: TestServer, chance: Chance) {
    this.#server = server
    this.#chance = chance
  }

  begin(name: string, source?: Line): Line {
    const inherited = source === undefined ? [] : [...source.inherited, ...source.acknowledged]
    const line: Line = {
      name,
      source,
      inherited,
      attempted: new Set(),
      acknowledged: [],
      isMade: false,
      isDeleteAsked: false,
      isDeleted: false,
    }
    this.lines.push(line)
    return line
  }

  run(work: Promise<unknown>): void {
    this.#work.push(work.catch(() => undefined))
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#work)
  }

  /** One row in each of two tables, in one transaction, over and over. */
  async write(line: Line): Promise<void> {
    const client = await this.#server.connect(line.name)
    try {
      while (!this.#isOver && !line.isDeleteAsked) {
        this.#next += 1
        const n = this.#next
        line.attempted.add(n)
        await client.query(
          `with one as (insert into kept values (${n}, repeat('x', ${n % 900})) returning n)
           insert into twin select n from one`,
        )
        line.acknowledged.push(n)
      }
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  /** Branches of branches, written to from their first moment; snapshots; deletes. */
  async operate(): Promise<void> {
    while (!this.#isOver) {
      const living = this.lines.filter(({ isMade, isDeleteAsked }) => isMade && !isDeleteAsked)
      const children = living.slice(1)
      if (children.length > 3) await this.#delete(this.#chance.pick(children))
      else if (this.#chance.below(4) === 0) await this.#snapshot(this.#chance.pick(living))
      else await this.#branch(this.#chance.pick(living))
    }
  }

  async #branch(source: Line): Promise<void> {
    this.#made += 1
    const id = `b${this.#made}`
    const line = this.begin(`${store}/branches/${id}`, source)
    await this.#server.write('POST', `${store}/branches?branch_id=${id}`, {
      spec: { ttl: '1h', source_branch: source.name },
    })
    line.isMade = true
    this.run(this.write(line))
    await delay(this.#chance.below(300))
  }

  async #snapshot(source: Line): Promise<void> {
    this.#made += 1
    const name = `${store}/snapshots/s${this.#made}`
    await this.#server.write('POST', `${store}/snapshots?snapshot_id=s${this.#made}`, {
      spec: { source_branch: source.name, no_expiry: true },
    })
    this.snapshots.push(name)
  }

  async #delete(line: Line): Promise<void> {
    line.isDeleteAsked = true
    await this.#server.write('DELETE', `${line.name}?purge=true`)
    line.isDeleted = true
  }

  known(): readonly Known[] {
    return this.lines.map((line) => ({
      name: line.name,
      mustHave: [...line.inherited, ...line.acknowledged],
      mustBeThere: line.isMade && !line.isDeleteAsked,
      mustBeGone: line.isDeleted,
    }))
  }
}

/** Rows that may be in a branch: written to it, or to its source before it was made. */
function attemptedFor(line: Line | undefined): ReadonlySet<number> {
  const numbers = new Set<number>()
  for (let each = line; each !== undefined; each = each.source) {
    for (const n of each.attempted) numbers.add(n)
  }
  return numbers
}

/** Ends everybody who uses the disk, as the power does. */
async function endAll(server: TestServer): Promise<void> {
  if (!server.isGone) await server.kill()
  await eventually('every process has ended', () => {
    for (const pid of server.processes()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // Ended with its parent.
      }
    }
    return server.processes().length === 0
  })
  unmountAll(join(server.stateDir, 'pool'))
}

const numbers = async (client: pg.Client, text: string): Promise<readonly number[]> =>
  (await client.query({ text, rowMode: 'array' })).rows.map(([n]) => n)

async function isSound(server: TestServer, branch: Known, attempted: ReadonlySet<number>) {
  const { name, mustHave } = branch
  const client = await server.connect(name)
  try {
    const kept = await numbers(client, 'select n from kept order by n')
    const rows = new Set(kept)
    expect(
      mustHave.filter((n) => !rows.has(n)),
      `acknowledged and lost in ${name}`,
    ).toEqual([])
    expect(
      kept.filter((n) => !attempted.has(n)),
      `never written to ${name}`,
    ).toEqual([])
    expect(await numbers(client, 'select n from twin order by n'), `half of ${name}`).toEqual(kept)
    await client.query('insert into kept values (0); delete from kept where n = 0')
  } finally {
    await client.end()
  }
  // Every heap page against its checksum and rules, every index entry against the heap.
  const checks = `
    create extension if not exists amcheck;
    select v.* from pg_class c, lateral verify_heapam(c.oid) v
      where c.relkind in ('r', 't', 'm') and c.relpersistence = 'p';
    select bt_index_check(i.indexrelid, true) from pg_index i
      join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
      where a.amname = 'btree' and i.indisvalid and c.relpersistence = 'p'`
  const { body } = await server.api('GET', `/api/2.0/postgres/${name}/endpoints/primary`)
  const found = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', amcheck, join(server.stateDir, 'run', body.uid), checks],
    { encoding: 'utf8', cwd: join(import.meta.dirname, '../..') },
  )
  expect(found.stdout + found.stderr, name).toBe('0')
}

/** In a process of its own: nothing of it is left in ours when it fails. */
const amcheck = `
  import pg from 'pg'
  const [host, text] = process.argv.slice(1)
  const client = new pg.Client({ host, user: 'cloud_admin', database: 'databricks_postgres' })
  await client.connect()
  const results = await client.query(text)
  process.stdout.write(String(results[1].rows.length))
  await client.end()`

describe.skipIf(noImages !== undefined)('a disk without power', () => {
  test('has what was synced, and has not what was only written', async () => {
    const disk = new PoweredDisk('ext4', 256)
    try {
      const synced = await open(join(disk.path, 'synced'), 'wx')
      await synced.writeFile('contents')
      await synced.sync()
      await synced.close()
      writeFileSync(join(disk.path, 'written'), 'contents')
      const before = await open(join(disk.path, 'synced'), 'r+')
      await before.write('CONTENTS', 0)
      await before.close()
      const copy = await disk.copy()
      disk.switchTo(copy)
      expect(readFileSync(join(disk.path, 'synced'), 'utf8')).toBe('contents')
      expect(() => readFileSync(join(disk.path, 'written'))).toThrow('ENOENT')
    } finally {
      disk.remove()
    }
  })

  let server: TestServer | undefined
  let disk: PoweredDisk | undefined
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(server?.output, server?.log.slice(-6000))
    try {
      await server?.dispose()
    } finally {
      disk?.remove()
      server = undefined
      disk = undefined
    }
  })

  test.each([
    ['btrfs', 'ext4'],
    ['reflink', 'xfs'],
    ...(isLong ? [['copy', 'ext4'] as const] : []),
  ] as readonly (readonly ['btrfs' | 'reflink' | 'copy', ImageKind])[])(
    'under %s on %s: every branch recovers, with all that was acknowledged',
    async (storage, kind) => {
      const random = chance(`power cuts under ${storage}`)
      disk = new PoweredDisk(kind, 4096)
      const stateDir = join(disk.path, 'state')
      mkdirSync(stateDir)
      server = await TestServer.start({ storage, stateDir, poolSize: '2GB' })
      const writers = new Writers(server, random)
      const production = writers.begin(`${store}/branches/production`)
      await server.sql(
        production.name,
        'create table kept (n int primary key, filler text); create table twin (n int primary key)',
      )
      production.isMade = true
      writers.run(writers.write(production))
      writers.run(writers.write(production)) // commits that are flushed together
      writers.run(writers.operate())

      const taken: Cut[] = []
      for (let n = 0; n < cuts; n += 1) {
        await delay(800 + random.below(1500))
        const known = writers.known()
        const snapshots = [...writers.snapshots]
        taken.push({ copy: await disk.copy(), known, snapshots })
      }
      const ended = writers.end()
      await endAll(server)
      await ended
      expect(production.acknowledged.length).toBeGreaterThan(20)
      expect(writers.lines.length).toBeGreaterThan(1)

      for (const { copy, known, snapshots } of taken) {
        disk.switchTo(copy)
        await server.launch()
        await nothingIsLeft(server)
        for (const branch of known) {
          const { status, body } = await server.api('GET', `/api/2.0/postgres/${branch.name}`)
          if (branch.mustBeThere) expect(status, branch.name).toBe(200)
          if (branch.mustBeGone) expect(status, branch.name).toBe(404)
          if (status !== 200) continue
          expect(body.status.current_state, branch.name).toBe('READY')
          const line = writers.lines.find(({ name }) => name === branch.name)
          await isSound(server, branch, attemptedFor(line))
        }
        for (const [index, name] of snapshots.entries()) {
          if (index >= 2 && !isLong) break
          const made = await server.write('POST', `${store}/branches?branch_id=of-s${index}`, {
            spec: { ttl: '1h', source_snapshot: name },
          })
          const { rows } = await server.sql(
            made.name,
            'select (select count(*) from kept) = (select count(*) from twin) as whole',
          )
          expect(rows).toEqual([{ whole: true }])
        }
        await nothingIsLeft(server)
        await endAll(server)
      }
    },
    600_000,
  )
})

test.skipIf(noImages === undefined)(`power cannot be cut here: ${noImages}`, () => {
  expect(noImages).toBeDefined()
})
