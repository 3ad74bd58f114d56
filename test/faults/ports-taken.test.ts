/** A port that another program has: a sentence, exit code 1, and nothing left running. */
import { createServer, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
let other: Server | undefined
const production = 'projects/store/branches/production'

beforeAll(async () => {
  server = await TestServer.prepare()
})
afterAll(async () => {
  await server?.dispose()
})
afterEach(async () => {
  await new Promise((resolve) => (other === undefined ? resolve(0) : other.close(resolve)))
  other = undefined
})

async function take(port: number, host: string): Promise<void> {
  const taking = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    taking.once('error', reject).listen({ port, host, exclusive: true }, resolve)
  })
  other = taking
}

async function refusedStart(): Promise<string> {
  await server.launchOnly({ LAKELET_DEBUG: '' })
  expect(await server.exit()).toBe(1)
  expect(server.processes()).toEqual([])
  expect(server.mounts()).toEqual([])
  return server.output
}

describe('at the first start', () => {
  test('the API port is taken', async () => {
    await take(server.apiPort, '127.0.0.1')
    expect(await refusedStart()).toBe(
      `lakelet: Port ${server.apiPort} on 127.0.0.1 is taken by another program. Stop it, or choose another with --api-port (LAKELET_API_PORT).\n`,
    )
  })

  test('the Postgres port is taken on all addresses', async () => {
    await take(server.pgPort, '0.0.0.0')
    expect(await refusedStart()).toBe(
      `lakelet: Port ${server.pgPort} is taken. Free it, or choose another with --pg-port (LAKELET_PG_PORT).\n`,
    )
  })

  test('both are the same', async () => {
    const { pgPort } = server
    server.pgPort = server.apiPort
    expect(await refusedStart()).toMatch(/api-port and pg-port are both .* must differ/)
    server.pgPort = pgPort
  })

  test('once they are free all is well', async () => {
    await server.launch()
    await server.sql(production, 'create table kept (n int)')
    await nothingHalfMade(server)
    await server.stop()
    expect(server.processes()).toEqual([])
  })
})

describe('at a later start', () => {
  test('the API port is taken', async () => {
    await take(server.apiPort, '127.0.0.1')
    expect(await refusedStart()).toMatch(/--api-port/)
  })

  test("the Postgres port is taken on localhost alone, which is in nobody's way", async () => {
    await take(server.pgPort, '127.0.0.1')
    await server.launch()
    expect(server.output).toMatch(/endpoints answer on their own addresses/)
    expect((await server.sql(production, 'select count(*)::int as n from kept')).rows).toEqual([
      { n: 0 },
    ])
    await nothingHalfMade(server)
  })
})
