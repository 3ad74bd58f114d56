/**
 * Points in the history of a source under load: every Postgres, on each driver. What a branch at a point
 * holds is compared with what the source said when the point was noted, by time and by position.
 */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LoopImage, mountImage, whyNoImages } from '../fixtures/loop-image.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const grounds = [
  { driver: 'btrfs', majors: [15, 16, 17, 18], missing: whyNoImages('btrfs') },
  { driver: 'reflink', majors: [15, 18], missing: whyNoImages('xfs') },
  { driver: 'copy', majors: [16, 17], missing: undefined },
] as const

interface Noted {
  readonly n: number
  readonly time: string
  readonly lsn: string
}

for (const { driver, majors, missing } of grounds) {
  describe.skipIf(missing !== undefined)(`a point of a source under load, on ${driver}`, () => {
    let server: TestServer
    let image: LoopImage | undefined

    beforeAll(async () => {
      if (driver === 'reflink') image = mountImage('xfs', 1500)
      server = await TestServer.start({
        storage: driver,
        env: { LAKELET_POOL_RESERVE: '1%', LAKELET_DISK_RESERVE: '1%' },
        ...(image === undefined ? {} : { stateDir: mkdtempSync(join(image.path, 'state-')) }),
      })
    }, 120_000)
    afterAll(async () => {
      await server?.dispose()
      image?.remove()
    })

    test.each(majors)(
      'is what was committed by then, Postgres %i',
      async (major) => {
        const project = `projects/pg${major}`
        const source = `${project}/branches/production`
        await server.write('POST', `projects?project_id=pg${major}`, {
          spec: { pg_version: major },
        })
        await server.sql(
          source,
          `create table noted (n int primary key);
         create table account (id int primary key, balance int not null);
         insert into account select n, 100 from generate_series(1, 50) n`,
        )
        const status = async () =>
          (await server.api('GET', `/api/2.0/postgres/${source}`)).body.status.history
        await eventually('history begins', async () => (await status()) !== undefined)

        const [noter, payer] = [await server.connect(source), await server.connect(source)]
        let isOver = false
        const paying = pay(payer, () => isOver)
        const points: Noted[] = []
        for (let n = 1; n <= 300; n += 1) {
          await noter.query('insert into noted values ($1)', [n])
          if (n % 60 === 0) points.push({ n, ...(await where(noter)) })
        }
        isOver = true
        await paying
        await noter.end()
        await payer.end()

        for (const [at, { n, time, lsn }] of points.entries()) {
          const point = at % 2 === 0 ? { source_branch_time: time } : { source_branch_lsn: lsn }
          const branch = await server.write('POST', `${project}/branches?branch_id=at-${n}`, {
            spec: { ttl: '1h', source_branch: source, ...point },
          })
          const { rows } = await server.sql(
            branch.name,
            `select (select count(*)::int from noted) as noted, (select max(n) from noted) as last,
                  (select sum(balance)::int from account) as sum, pg_is_in_recovery() as reads_only`,
          )
          expect(rows[0]).toEqual({ noted: n, last: n, sum: 5000, reads_only: false })
          // A position was noted after its time, so a commit between them may be in it.
          if ('source_branch_time' in point) {
            expect(sortable(branch.status.source_branch_time) <= sortable(time)).toBe(true)
          }
          await server.sql(branch.name, 'insert into noted values (100000)')
          await server.write('DELETE', `${branch.name}?purge=true`)
        }
      },
      240_000,
    )
  })
}

/** The clock and the end of the log, after everything that this session was told is done. */
async function where(client: pg.Client): Promise<Omit<Noted, 'n'>> {
  const { rows } = await client.query(
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time,
            pg_current_wal_insert_lsn()::text as lsn`,
  )
  return rows[0]
}

/** With all six digits of the microseconds, of which the API leaves zeros at the end out. */
const sortable = (time: string): string => {
  const [whole = '', fraction = ''] = time.replace('Z', '').split('.')
  return `${whole}.${fraction.padEnd(6, '0')}`
}

async function pay(client: pg.Client, isOver: () => boolean): Promise<void> {
  for (let n = 1; !isOver(); n += 1) {
    const [from, to] = [(n % 50) + 1, ((n * 7) % 50) + 1]
    if (from === to) continue
    await client.query(
      `with paid as (update account set balance = balance - 1 where id = ${from})
       update account set balance = balance + 1 where id = ${to}`,
    )
    if (n % 10 === 0) await delay(0)
  }
}
