/** A branch at a past point, of a source that rests and of one that is written to all the time. */
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Bench, Part } from '../bench.ts'
import { freshId } from '../create-timing.ts'
import type { LakeletServer } from '../lakelet-server.ts'
import { connect, connectToSocket, prepareLogin, socketOf, wake } from '../login.ts'
import { readable, timingColumns, timingRow } from '../tables.ts'

const project = 'projects/store'
/** Of WAL, a second. */
const loadBytes = 50 * 1024 ** 2

/** Two looks of the keeper of history, at which it sees that nobody writes. */
const restFor = 25_000

interface Mark {
  readonly time: string
  /** The last row that was committed before. */
  readonly last: number
  readonly at: number
}

export const point: Part = {
  name: 'point',
  title: 'A branch at a past point',
  async run(bench) {
    const { server, sources } = await bench.main()
    const source = await sources.ofSize(bench.options.source)
    await wake(server, source.name)
    await delay(restFor) // it was filled a moment ago; an idle source is one that rests
    const idle = await measureIdle(bench, server, source.name)
    bench.say(`writing 50 MB of WAL a second for ${bench.options.pointSeconds} s`)
    const loaded = await measureLoaded(bench, server, source.name)
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow('**Idle source: POST → done**', idle, { p50: 400 }),
            timingRow(
              `**Source under load, up to ${bench.options.pointSeconds} s back: POST → done**`,
              loaded.times,
              { p50: 5000 },
            ),
          ],
        },
      ],
      explain: [
        'Every branch is asked for the last row that was committed before its point, and for none after it. Idle: 25 s after the source was filled a row, the point, a second later another row; then branches at that point, one after the other.',
        `Under load: 2 KB rows are written over, ${readable(loaded.rate / 1024 ** 2)} MB of WAL a second were reached of the 50 that it is held to, and it goes on while the branches are made; their points are spread over all of the time since it began. Asked for is up to 5 minutes back: \`--point-seconds 300\`.`,
      ],
    }
  },
}

async function mark(client: pg.Client, last: number): Promise<Mark> {
  await client.query('insert into ticks values ($1)', [last])
  const { rows } = await client.query(
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time`,
  )
  return { time: rows[0].time, last, at: performance.now() }
}

async function timeBranchAt(server: LakeletServer, source: string, { time, last }: Mark) {
  const began = performance.now()
  const { name } = await server.write('POST', `${project}/branches?branch_id=${freshId()}`, {
    spec: { source_branch: source, source_branch_time: time, ttl: '3600s' },
  })
  const taken = performance.now() - began
  const client = await connect(await prepareLogin(server, name))
  const { rows } = await client.query('select max(n) as last from ticks')
  await client.end()
  if (rows[0].last !== last) {
    throw new Error(`the branch at ${time} ends with row ${rows[0].last}, not ${last}`)
  }
  await server.purge(name)
  return taken
}

async function measureIdle(bench: Bench, server: LakeletServer, source: string) {
  const client = await connectToSocket(await socketOf(server, source))
  try {
    await client.query('create table ticks (n int primary key)')
    await client.query('grant select on ticks to public')
    const noted = await mark(client, 1)
    await delay(1000)
    await mark(client, 2)
    return await bench.repeat(() => timeBranchAt(server, source, noted))
  } finally {
    await client.end()
  }
}

async function measureLoaded(bench: Bench, server: LakeletServer, source: string) {
  const socket = await socketOf(server, source)
  const client = await connectToSocket(socket)
  const load = startLoad(await connectToSocket(socket))
  try {
    const marks: Mark[] = []
    const end = performance.now() + bench.options.pointSeconds * 1000
    while (performance.now() < end) {
      bench.stopWhenOver()
      load.check()
      marks.push(await mark(client, 10 + marks.length))
      await delay(1000)
    }
    const runs = Math.min(bench.options.runs, 10)
    const times: number[] = []
    for (let run = 0; run < runs; run += 1) {
      bench.stopWhenOver()
      load.check()
      const chosen = marks[Math.floor(((run + 0.5) / runs) * (marks.length - 1))]
      if (chosen !== undefined) times.push(await timeBranchAt(server, source, chosen))
    }
    return { times, rate: await load.end() }
  } finally {
    await load.end()
    await client.end()
  }
}

/** Rows written over, so that the log is what replay has to do, held to 50 MB of it a second. */
function startLoad(client: pg.Client) {
  let isOver = false
  let failure: unknown
  let rate = Number.NaN
  const position = async () =>
    Number(
      (await client.query(`select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as bytes`))
        .rows[0].bytes,
    )
  const work = async () => {
    await client.query(
      `create table written (n int primary key, body text storage plain) with (fillfactor = 50)`,
    )
    await client.query(
      `insert into written select n, repeat(md5(n::text), 59) from generate_series(0, 39999) n`,
    )
    const [began, from] = [performance.now(), await position()]
    for (let turn = 0; !isOver; turn = (turn + 1) % 40) {
      await client.query(
        'update written set body = repeat(md5(random()::text), 59) where n between $1 and $1 + 999',
        [turn * 1000],
      )
      const written = (await position()) - from
      const due = (written / loadBytes) * 1000
      const seconds = performance.now() - began
      rate = written / (seconds / 1000)
      if (due > seconds) await delay(due - seconds)
    }
  }
  const done = work().catch((error: unknown) => {
    failure = error
  })
  return {
    check() {
      if (failure !== undefined) throw failure
    },
    /** Bytes of WAL a second. */
    async end(): Promise<number> {
      if (isOver) return rate
      isOver = true
      await done
      await client.query('drop table if exists written')
      await client.end()
      return rate
    },
  }
}
