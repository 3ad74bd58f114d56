/** Part 18: a fresh database for a test file, out of a prepared pool. */
import { readFileSync } from 'node:fs'
import { connect as connectTo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Bench, Part } from '../bench.ts'
import { start } from '../commands.ts'
import { type LakeletServer, program } from '../lakelet-server.ts'
import { timingColumns, timingRow } from '../tables.ts'

const atATime = 8
const asked = { p50: 60 }
/** What migrations of a small project leave; thirty tables with a key each. */
const migrate = `psql --quiet --command "do \\$\\$ begin for n in 1..30 loop execute format('create table t%s (id int primary key, name text unique)', n); end loop; end \\$\\$; insert into t1 values (1)"`

export const testDatabases: Part = {
  name: 'test-databases',
  title: 'A database for a test file, from a prepared pool: claim → first row',
  async run(bench) {
    const { server } = await bench.main()
    const databases = await timeKind(bench, server, [])
    const branches = await timeKind(bench, server, ['--branches'])
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow('**A database, one after the other**', databases.alone, asked),
            timingRow(`A database, ${atATime} claims at a time: the slowest`, databases.together),
            timingRow('**A branch, one after the other**', branches.alone, asked),
            timingRow('`lakelet test` → the pool is ready: databases', databases.ready),
            timingRow('`lakelet test` → the pool is ready: branches', branches.ready),
          ],
        },
      ],
      explain: [
        'Connect to the pool’s socket, get host and credential; then TCP, TLS with verified certificate, login and SELECT through the gateway, by Node’s pg. The pool has been filled up before each claim. The template has 30 tables with two indexes each.',
        `Ready: from the start of the process; it makes the run’s branch, migrates it with psql, and makes ${atATime} copies (of branches 2).`,
      ],
    }
  },
}

async function timeKind(bench: Bench, server: LakeletServer, flags: readonly string[]) {
  const isBranches = flags.length > 0
  const ca = readFileSync(server.caFile, 'utf8')
  const ahead = isBranches ? 2 : atATime
  const began = performance.now()
  const { pool, end } = await startPool(server, [...flags, '--ahead', String(ahead)])
  const ready = [performance.now() - began]
  try {
    const timed = async (): Promise<number> => {
      const from = performance.now()
      const { socket, access } = await claim(pool)
      const { host, port, user, password, database } = access
      const client = new pg.Client({
        ...{ host, port: Number(port), user, password, database },
        ssl: { ca },
      })
      await client.connect()
      const { rows } = await client.query('select id from t1')
      const taken = performance.now() - from
      await client.end()
      socket.destroy()
      if (rows.length !== 1) throw new Error('the template’s row is not there')
      return taken
    }
    const alone = await bench.repeat(async () => {
      const taken = await timed()
      await delay(isBranches ? 1500 : 500) // the pool is filled up again
      return taken
    }, bench.options.runs * 2)
    const together = isBranches
      ? []
      : await bench.repeat(
          async () => {
            const all = await Promise.all(Array.from({ length: atATime }, timed))
            await delay(3000)
            return Math.max(...all)
          },
          Math.max(3, Math.floor(bench.options.runs / 4)),
        )
    return { alone, together, ready }
  } finally {
    await end()
  }
}

interface Access {
  readonly host: string
  readonly port: string
  readonly user: string
  readonly password: string
  readonly database: string
}

/** As the packages for test runners do: connected is claimed. */
function claim(path: string): Promise<{ readonly socket: Socket; readonly access: Access }> {
  return new Promise((done, fail) => {
    const socket = connectTo(path)
    let text = ''
    socket.once('error', fail)
    socket.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      if (text.endsWith('\n')) done({ socket, access: JSON.parse(text) })
    })
  })
}

async function startPool(server: LakeletServer, flags: readonly string[]) {
  const args = [program, 'test', '--serve', '--project', 'store', '--migrate', migrate, ...flags]
  const { child, ended } = start(process.execPath, args, {
    env: { LAKELET_STATE_DIR: server.stateDir },
    hasInput: true,
  })
  const pool = await new Promise<string>((done, fail) => {
    let text = ''
    child.stdout?.on('data', (piece: string) => {
      text += piece
      const path = /"pool":"([^"]+)"/.exec(text)?.[1]
      if (path !== undefined) done(path)
    })
    ended.then(({ stderr }) => fail(new Error(`lakelet test ended: ${stderr}`)), fail)
  })
  const end = async () => {
    child.stdin?.end()
    await ended
  }
  return { pool, end }
}
