/** Branches at points of the past, over a real server: what they hold, what they say, what is refused. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
const production = `${store}/branches/production`

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
  await server.sql(production, 'create table kept (n int primary key)')
})
afterAll(async () => {
  await server?.dispose()
})

const get = async (path: string) => (await server.api('GET', `/api/2.0/postgres/${path}`)).body
const branch = (id: string, spec: object = {}) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h', ...spec } })
const purge = (id: string) => server.write('DELETE', `${store}/branches/${id}?purge=true`)
const numbers = async (of: string) =>
  (await server.sql(of, 'select n from kept order by n')).rows.map(({ n }) => n)
const historyOf = async (of: string) => {
  await eventually(`${of} has history`, async () => (await get(of)).status.history !== undefined)
  return (await get(of)).status.history
}
/** The branch's own clock to the microsecond, and where its log ends. */
const mark = async (of: string) => {
  const { rows } = await server.sql(
    of,
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time,
            pg_current_wal_insert_lsn()::text as lsn`,
  )
  return rows[0] as { readonly time: string; readonly lsn: string }
}

describe('a branch at a point', () => {
  test('holds what was committed by then, by time and by position', async () => {
    await historyOf(production)
    const marks = []
    for (let n = 1; n <= 5; n += 1) {
      await server.sql(production, `insert into kept values (${n})`)
      marks.push(await mark(production))
      await delay(5)
    }
    for (const at of [1, 3, 5]) {
      const { time, lsn } = marks[at - 1] ?? { time: '', lsn: '' }
      const wanted = Array.from({ length: at }, (_, index) => index + 1)
      const byTime = await branch(`time-${at}`, { source_branch_time: time })
      expect(await numbers(byTime.name)).toEqual(wanted)
      expect(byTime.status.source_branch_time <= time).toBe(true)
      const byLsn = await branch(`lsn-${at}`, { source_branch_lsn: lsn })
      expect(await numbers(byLsn.name)).toEqual(wanted)
      console.log(time, lsn, byTime.status, byLsn.status)
      await purge(`time-${at}`)
      await purge(`lsn-${at}`)
    }
  })
})
