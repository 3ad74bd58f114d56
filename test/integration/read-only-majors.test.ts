/**
 * Readers of each Postgres, on a pool of plain copies: cloned from a writer at work (in backup mode, with a
 * label), and made anew from one that goes on.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start({ storage: 'copy' })
})
afterAll(async () => {
  await server?.dispose()
})

describe.each([15, 16, 17, 18])('Postgres %i', (major) => {
  const project = `projects/major-${major}`
  const branch = `${project}/branches/production`
  const reader = `${branch}/endpoints/reader`
  const patch = (disabled: boolean) =>
    server.write('PATCH', `${reader}?update_mask=spec.disabled`, { spec: { disabled } })
  const totals = async (endpoint: string) => {
    const text = 'select count(*)::int as n, sum(n)::text as total from counted'
    return (await server.sql(branch, text, { endpoint })).rows[0]
  }

  test('a reader made under load is exact, follows, sleeps, and is made anew', async () => {
    await server.write('POST', `projects?project_id=major-${major}`, {
      spec: { pg_version: major },
    })
    await server.sql(branch, 'create table counted (n int)')
    const writer = await server.connect(branch)
    let isOver = false
    let written = 0
    const load = (async () => {
      while (!isOver) {
        await writer.query('insert into counted select generate_series($1::int, $1::int + 99)', [
          written,
        ])
        written += 100
      }
    })()
    await server.write('POST', `${branch}/endpoints?endpoint_id=reader`, {
      spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' },
    })
    const before = written
    expect((await totals('reader')).n).toBeGreaterThanOrEqual(before)
    await patch(true)
    isOver = true
    await load
    // It sleeps through more log than anybody keeps.
    await writer.query('insert into counted select generate_series(0, 99999)')
    await writer.end()
    for (const disabled of [true, false]) {
      await server.write('PATCH', `${branch}/endpoints/primary?update_mask=spec.disabled`, {
        spec: { disabled },
      })
    }
    await server.sql(branch, 'insert into counted values (1)')
    await patch(false)
    expect(await totals('reader')).toEqual(await totals('primary'))
    expect((await totals('reader')).n).toBe(written + 100_001)
    await server.write('DELETE', `${project}?purge=true`)
  }, 120_000)
})
