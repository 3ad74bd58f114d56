/** Snapshots and their schedule at the edge, and what is not served: read, asked of the actions, answered. */
import { describe, expect, test } from 'vitest'
import { hours } from '../lib/time.ts'
import { base } from './base-path.ts'
import { notServed } from './not-served.ts'
import { recordedApi } from './recording-actions.fixture.ts'

const snapshots = `${base}/projects/app/snapshots`
const schedule = `${base}/projects/app/branches/dev/snapshot-schedule`
const source = { source_branch: 'projects/app/branches/dev' }

describe('creating a snapshot', () => {
  test.each<[object, object]>([
    [{ ...source }, { source: source.source_branch }],
    [{ source_branch_id: 'dev' }, { source: 'dev' }],
    [
      { sourceBranch: 'dev', noExpiry: true },
      { source: 'dev', expiration: { kind: 'never' } },
    ],
    [
      { ...source, ttl: { seconds: 3600 } },
      { source: source.source_branch, expiration: { kind: 'ttl', ttl: 3_600_000 } },
    ],
  ])('reads %j', async (spec, expected) => {
    const { send, calls } = recordedApi()
    const { status } = await send('POST', `${snapshots}?snapshot_id=one`, { snapshot: { spec } })
    expect(status).toBe(200)
    expect(calls).toEqual([
      {
        verb: 'createSnapshot',
        input: [{ project: 'app', snapshotId: 'one', spec: expected }],
      },
    ])
  })

  test('strictly, in the form of the contract alone', async () => {
    const { send } = recordedApi()
    const { status } = await send('POST', `${snapshots}?snapshot_id=one`, {})
    expect(status).toBe(400)
  })

  test('is listed, read and deleted by its id', async () => {
    const { send, calls } = recordedApi()
    const listed = await send('GET', `${snapshots}?page_size=7`)
    expect(listed.json).toMatchObject({ snapshots: [{ snapshot_id: 'before-release' }] })
    expect((await send('GET', `${snapshots}/one`)).status).toBe(200)
    expect((await send('DELETE', `${snapshots}/one`)).status).toBe(200)
    expect((await send('GET', `${snapshots}/One`)).status).toBe(400)
    expect(calls.map(({ verb }) => verb)).toEqual([
      'listSnapshots',
      'getSnapshot',
      'deleteSnapshot',
    ])
  })
})

describe('a snapshot schedule', () => {
  const daily = { retention: '3600s', daily_schedule: {} }
  const read = [{ retention: hours(1), every: { kind: 'day', hour: 0 } }]
  test.each<[string, object, unknown]>([
    ['?update_mask=schedule', { schedule: [daily] }, read],
    ['', { name: 'any', schedule: [daily] }, read],
    ['?update_mask=*', { schedule: [daily] }, read],
    ['?update_mask=schedule', {}, []],
    ['', {}, undefined],
  ])('with %j and %j', async (mask, body, expected) => {
    const { send, calls } = recordedApi()
    expect((await send('PATCH', `${schedule}${mask}`, body)).status).toBe(200)
    expect(calls).toEqual([
      {
        verb: 'updateSnapshotSchedule',
        input: [{ project: 'app', branch: 'dev' }, expected],
      },
    ])
  })
})

describe('what is not served', () => {
  const all = notServed.flatMap(({ what, instead, methods }) =>
    methods.map(([method, path]) => {
      const sample = path.replace(/\{(\w+)\}/g, (_, name: string) => name)
      return [method, `${base}${sample}`, what, instead] as const
    }),
  )
  test.each(all)('%s %s says what to use instead', async (method, path, what, instead) => {
    const { send, calls } = recordedApi()
    const { status, json } = await send(method, path)
    expect(status).toBe(501)
    expect(json).toMatchObject({
      error_code: 'NOT_IMPLEMENTED',
      message: `${what} is not available here. ${instead}`,
    })
    const stranger = await send(method, path, undefined, {
      authorization: 'Bearer no',
    })
    expect(stranger.status).toBe(401)
    expect(calls).toEqual([])
  })
})
