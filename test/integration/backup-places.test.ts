/**
 * Where backups are kept, and what can be wrong there: places without rights, full, of somebody else, damaged;
 * a directory and a real S3 server alike.
 */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type LoopImage, mountImage, whyNoImages } from '../fixtures/loop-image.ts'
import { refusal } from '../fixtures/refusal.ts'
import { findS3Gateway, S3Gateway } from '../fixtures/s3-gateway.ts'
import { TestServer } from '../fixtures/server.ts'

const found = await findS3Gateway()
const missing = 'missing' in found ? found.missing : undefined
const noImages = whyNoImages('ext4')

let server: TestServer
let gateway: S3Gateway | undefined
let places: string
const store = 'projects/store'
const production = `${store}/branches/production`

beforeAll(async () => {
  places = mkdtempSync(join(tmpdir(), 'lakelet-places-'))
  if ('program' in found) gateway = await S3Gateway.start(found.program)
  gateway?.makeBucket('backups')
  server = await TestServer.start({
    env: { LAKELET_MAX_ROOT_BRANCHES_PER_PROJECT: '20', ...gateway?.env },
  })
  await server.sql(production, 'create table kept as select generate_series(1, 1000) as n')
}, 120_000)
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.log.slice(-4000))
})
afterAll(async () => {
  await server?.dispose()
  await gateway?.remove()
  rmSync(places, { recursive: true, force: true })
})

const place = (name: string) => join(places, name)
const backUp = (to: string, more: object = {}, branch = production) =>
  server.write('POST', `${branch}/backups`, { to, ...more })
const verify = (from: string, more: object = {}) =>
  server.write('POST', 'backups/verify', { from, ...more })
const restore = (from: string, id: string, more: object = {}) =>
  server.write('POST', 'backups/restore', { from, into: `${store}/branches/${id}`, ...more })
const refuse = (path: string, body: object) => refusal(server, 'POST', path, body)
const count = async (branch: string) =>
  (await server.sql(branch, 'select count(*)::int as n from kept')).rows[0].n

/** The error that a backup ends in, refused at once or later. */
async function failure(to: string, more: object = {}): Promise<string> {
  return backUp(to, more).then(
    () => 'none',
    (error: Error) => error.message,
  )
}
const files = (root: string, folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(gz|json)$/.test(name))
    .map((name) => join(root, folder, name))
    .sort()

describe('a request', () => {
  test.each([['relative'], ['/'], ['gs://bucket/a'], ['s3://UPPER']])(
    'with the place %s is refused',
    async (to) => {
      const { status, text } = await refuse(`${production}/backups`, { to })
      expect(status).toBe(400)
      expect(text).toMatch(
        /Field 'to'.*absolute path|cannot be where backups are kept.*absolute path/,
      )
    },
  )

  test('into the state directory, without a parent, or to no directory is refused', async () => {
    expect(
      (await refuse(`${production}/backups`, { to: join(server.stateDir, 'b') })).text,
    ).toMatch(/own state directory/)
    expect(await failure(place('absent/deeper'))).toMatch(/is not there.*mount it/)
    writeFileSync(place('file'), '')
    expect(await failure(place('file'))).toMatch(/not a directory/)
    expect((await refuse('backups/verify', { from: place('nowhere') })).status).toBe(404)
    expect((await refuse('backups/restore', { from: place('nowhere') })).status).toBe(404)
  })

  test('of somebody who is no administrator is refused', async () => {
    const token = await server.identity('manager@example.com', 'CAN_MANAGE')
    for (const [path, body] of [
      [`${production}/backups`, { to: place('not-mine') }],
      ['backups/verify', { from: place('not-mine') }],
      ['backups/restore', { from: place('not-mine') }],
    ] as const) {
      const { status, text } = await refusal(server, 'POST', path, body, { token })
      expect(status).toBe(403)
      expect(text).toMatch(/administrator/)
    }
    const list = await refusal(server, 'GET', `backups?from=${place('x')}`, undefined, { token })
    expect(list.status).toBe(403)
  })

  test('for a place that holds something else, or another branch, is refused', async () => {
    mkdirSync(place('photos'))
    writeFileSync(join(place('photos'), 'holiday.jpg'), '')
    expect((await refuse(`${production}/backups`, { to: place('photos') })).text).toMatch(
      /holds something that is no backup of Lakelet \(holiday\.jpg\)/,
    )
    const { name } = await server.write('POST', `${store}/branches?branch_id=other`, {
      spec: { ttl: '1h' },
    })
    await backUp(place('mine'))
    expect((await refuse(`${name}/backups`, { to: place('mine') })).text).toMatch(
      /backups of another branch: projects\/store\/branches\/production/,
    )
  }, 60_000)
})

describe('a restore', () => {
  test('never goes over what is there, and says which points there are', async () => {
    const from = place('over')
    await backUp(from)
    expect((await refuse('backups/restore', { from })).code).toBe('ALREADY_EXISTS')
    const early = { from, into: `${store}/branches/early`, at_time: '2020-01-01T00:00:00Z' }
    expect((await refuse('backups/restore', early)).text).toMatch(
      /does not reach 2020-01-01T00:00:00.000Z.*It reaches .* to /,
    )
    const late = { from, into: `${store}/branches/late`, at_lsn: 'FF/0' }
    expect((await refuse('backups/restore', late)).text).toMatch(/does not reach FF\/0/)
    const both = { from, at_lsn: 'FF/0', at_time: '2020-01-01T00:00:00Z' }
    expect((await refuse('backups/restore', both)).text).toMatch(/Only one of/)
    expect((await refuse('backups/restore', { from, into: 'nonsense' })).status).toBe(400)
  }, 60_000)

  test('of damage is refused with the name of the object, and nothing stays', async () => {
    const whole = place('whole')
    await backUp(whole)
    await server.sql(production, 'insert into kept values (0)')
    await backUp(whole)
    const damaged = async (
      what: string,
      damage: (root: string) => void,
      { isRefused = true } = {},
    ): Promise<void> => {
      const root = place(what)
      cpSync(whole, root, { recursive: true })
      damage(root)
      const { is_whole: isWhole, problems } = await verify(root)
      expect(isWhole, what).toBe(false)
      expect(problems.join('\n'), what).toMatch(/objects\/|manifest/)
      if (!isRefused) return
      const error = await restore(root, `of-${what}`).catch(({ message }: Error) => message)
      expect(error, what).toMatch(/The backup is damaged: (objects\/|manifest)/)
      expect(
        (await server.api('GET', `/api/2.0/postgres/${store}/branches/of-${what}`)).status,
      ).toBe(404)
    }
    const [first = '', second = ''] = files(whole, 'manifests')
    const manifest = (root: string, of: string) => of.replace(whole, root)
    await damaged('tampered', (root) => {
      for (const path of files(root, 'objects'))
        writeFileSync(path, readFileSync(files(root, 'objects')[0] ?? ''))
    })
    await damaged('cut', (root) => {
      for (const path of files(root, 'objects'))
        writeFileSync(path, readFileSync(path).subarray(0, 9))
    })
    await damaged('no-wal', (root) => {
      const { wal } = JSON.parse(readFileSync(manifest(root, second), 'utf8'))
      const hash: string = wal[0].chunks[0]
      rmSync(join(root, 'objects', hash.slice(0, 2), `${hash}.gz`))
    })
    await damaged('no-first', (root) => rmSync(manifest(root, first)))
    await damaged('edited', (root) => {
      const path = manifest(root, second)
      writeFileSync(path, readFileSync(path, 'utf8').replace('"postgres":17', '"postgres":16'))
    })
    // A chain that is cut off at its end is whole in itself: who wrote the rest knows.
    rmSync(second)
    expect((await verify(whole)).problems.join()).toMatch(/manifest 2.*is missing/)
    expect(await count((await restore(whole, 'shorter')).name)).toBe(1000)
    const elsewhere = place('elsewhere')
    await backUp(elsewhere)
    renameSync(files(elsewhere, 'manifests')[0] ?? '', second)
    expect((await verify(whole)).is_whole).toBe(false)
  }, 180_000)
})

describe.skipIf(noImages !== undefined)(
  `a file system${noImages === undefined ? '' : `: ${noImages}`}`,
  () => {
    let image: LoopImage
    beforeAll(() => {
      image = mountImage('ext4', 24)
    })
    afterAll(() => image?.remove())

    test('that is full or read-only ends the backup; with room the next one is whole', async () => {
      const to = join(image.path, 'b')
      const ballast = join(image.path, 'ballast')
      execFileSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=1M', 'count=19'], {
        stdio: 'ignore',
      })
      expect(await failure(to)).toMatch(/There is no room left/)
      rmSync(ballast)
      expect(await backUp(to)).toMatchObject({ sequence: 1, kind: 'FULL' })
      expect(readdirSync(to).sort()).toEqual(['lakelet-backup.json', 'manifests', 'objects'])
      expect(await verify(to)).toMatchObject({ is_whole: true })
      execFileSync('mount', ['-o', 'remount,ro', image.path])
      expect(await failure(to)).toMatch(/read-only/)
      expect(await verify(to)).toMatchObject({ is_whole: true })
    }, 120_000)
  },
)

describe.skipIf(missing !== undefined)(`S3${missing === undefined ? '' : `: ${missing}`}`, () => {
  const at = () => ({ endpoint_url: gateway?.url ?? '' })

  test('keeps backups by WAL, which come back at any point', async () => {
    const to = 's3://backups/deep/app'
    expect(await backUp(to, at())).toMatchObject({ kind: 'FULL', place: to })
    const before = await count(production)
    await server.sql(production, 'insert into kept values (-1)')
    const next = await backUp(to, at())
    expect(next).toMatchObject({ kind: 'INCREMENT' })
    expect(await verify(to, at())).toMatchObject({ is_whole: true })
    const { name } = await restore(to, 'of-s3', { ...at(), at_lsn: next.reached_lsn })
    expect(await count(name)).toBe(before + 1)
    const root = gateway?.fileOf('backups', 'deep/app') ?? ''
    const [object = ''] = files(root, 'objects')
    writeFileSync(object, 'x')
    expect((await verify(to, at())).problems.join()).toContain(object.split('/').at(-1))
  }, 120_000)

  test('refuses an absent bucket, somebody else’s prefix and a store that is not there', async () => {
    expect((await refuse(`${production}/backups`, { to: 's3://absent/a', ...at() })).text).toMatch(
      /no such bucket/,
    )
    mkdirSync(gateway?.fileOf('backups', 'photos') ?? '')
    writeFileSync(gateway?.fileOf('backups', 'photos/a.jpg') ?? '', '')
    expect(
      (await refuse(`${production}/backups`, { to: 's3://backups/photos', ...at() })).text,
    ).toMatch(/no backup of Lakelet/)
    const gone = { to: 's3://backups/x', endpoint_url: 'http://127.0.0.1:1' }
    expect((await refuse(`${production}/backups`, gone)).status).toBe(503)
  }, 60_000)

  test('refuses wrong credentials, and names none of them', async () => {
    await server.stop()
    try {
      await server.launch({ AWS_SECRET_ACCESS_KEY: 'wrong-secret' })
      const { text } = await refuse(`${production}/backups`, { to: 's3://backups/w', ...at() })
      expect(text).toMatch(/may not use 's3:\/\/backups\/w'.*AWS_ACCESS_KEY_ID/)
      expect(server.log).not.toContain('wrong-secret')
    } finally {
      await server.stop()
      await server.launch()
    }
  }, 120_000)
})
