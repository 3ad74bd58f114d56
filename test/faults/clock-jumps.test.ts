/**
 * The server's calendar clock set an hour back and an hour ahead while it works (libfaketime; the machine's
 * own clock, and so that of Postgres, stays). A jump back ends nothing early and puts nothing off for ever,
 * a jump ahead ends what it is now past, and an operation under way is done once.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nothingIsLeft } from '../fixtures/nothing-left.ts'
import { eventually } from '../fixtures/server.ts'
import { production, store } from './operations.ts'
import { World } from './world.ts'

const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path))

describe.skipIf(library === undefined)('a clock that jumps', () => {
  let world: World
  let directory: string
  let session: pg.Client
  let credential: string

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'lakelet-clock-'))
    await chmod(directory, 0o755) // the gateway, another user, reads it too
    setClock(0)
    world = await World.begin({
      env: {
        LD_PRELOAD: library ?? '',
        FAKETIME_TIMESTAMP_FILE: join(directory, 'offset'),
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        FAKETIME_DISABLE_SHM: '1',
      },
    })
    session = await world.server.connect(production)
    credential = await world.server.credential(production)
  })
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.error(world?.server.log.slice(-6000))
  })
  afterAll(async () => {
    await session?.end()
    await world?.server.dispose()
    rmSync(directory, { recursive: true, force: true })
  })

  const setClock = (seconds: number) =>
    writeFileSync(join(directory, 'offset'), `${seconds < 0 ? '' : '+'}${seconds}`)

  const branch = (id: string) => `${store}/branches/${id}`
  const make = (id: string, ttl: string) => ({
    method: 'POST',
    path: `${store}/branches?branch_id=${id}`,
    body: { spec: { ttl } },
  })
  const status = async (id: string) =>
    (await world.send({ method: 'GET', path: branch(id) })).status
  /** A credential is good for an hour. */
  const serverTime = async (): Promise<number> => {
    const { body } = await world.server.api('POST', '/api/2.0/postgres/credentials', {
      endpoint: `${production}/endpoints/primary`,
    })
    return Date.parse(body.expire_time) - 3_600_000
  }

  /** Made while the clock jumps. */
  async function madeAcross(id: string, from: number, to: number): Promise<void> {
    setClock(from)
    let reply: ReturnType<World['attempt']> | undefined
    await world.comesTo('storage.clone:before', 'storage.clone:before=sleep:1500', () => {
      reply = world.attempt(make(id, '5h'))
    })
    setClock(to)
    const accepted = await reply
    expect(accepted?.status).toBe(200)
    world.arm('')
    await world.server.follow(accepted?.body.name)
    expect(await world.rowsOf(branch(id))).toEqual(world.acknowledged)
  }

  test('is one that the server goes by', async () => {
    setClock(7200)
    expect(Math.abs((await serverTime()) - Date.now() - 7_200_000)).toBeLessThan(60_000)
    setClock(0)
  })

  test('an hour back: nothing ends early, and what falls due afterwards does', async () => {
    await world.write(make('long', '3h'))
    await world.write(make('short', '20m'))
    setClock(-3600)
    // Issued in what is now the future.
    await (await world.server.connect(production, { credential })).end()
    await world.commit()
    await world.write(make('brief', '3s'))
    await eventually(
      'what ends after three seconds has',
      async () => (await status('brief')) === 404,
    )
    expect(await status('short')).toBe(200)
    expect(await status('long')).toBe(200)
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    setClock(0)
    await world.commit()
    expect(await status('short')).toBe(200)
  })

  test('in the midst of an operation: it is done, once', async () => {
    await madeAcross('across-back', 0, -3600)
    await madeAcross('across-ahead', -3600, 0)
    setClock(0)
    expect(await world.rowsOf(production)).toEqual(world.acknowledged)
  })

  test('an hour ahead: what it is past has ended, and nothing else', async () => {
    setClock(3600)
    await eventually(
      'what ended meanwhile is gone',
      async () => (await status('short')) === 404,
      90_000,
    )
    expect(await status('long')).toBe(200)
    expect((await session.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    await expect(world.server.connect(production, { credential })).rejects.toThrow()
    await world.commit()
    expect(await world.rowsOf(production)).toEqual(world.acknowledged)
  }, 120_000)

  test('and a start on either side of it: leases and audit log hold', async () => {
    for (const offset of [-3600, 3600, 0]) {
      setClock(offset)
      await world.server.kill()
      await world.launch()
      await world.commit()
      await world.write(make(`after-${offset + 3600}`, '4h'))
    }
    const { body } = await world.server.api('GET', '/api/lakelet/v1/audit/verify')
    expect(body).toMatchObject({ verified: true })
    for (const id of [
      'long',
      'across-back',
      'across-ahead',
      'after-0',
      'after-7200',
      'after-3600',
    ]) {
      expect((await world.rowsOf(branch(id))).length, id).toBeGreaterThan(0)
      await world.write({ method: 'DELETE', path: `${branch(id)}?purge=true` })
    }
    await nothingIsLeft(world.server)
    expect(await world.rowsOf(production)).toEqual(world.acknowledged)
  })
})

test.skipIf(library !== undefined)(
  'the clock cannot be set here: libfaketime is not installed',
  () => {
    expect(library).toBeUndefined()
  },
)
