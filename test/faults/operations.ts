/**
 * Every kind of operation as a fault meets it: how it is asked for, and which of its two ends it has
 * come to. `kills.ts` kills at each of their failpoints, `random-kills.test.ts` at random moments;
 * `failpoints.test.ts` fails when a kind of the engine or a failpoint of `src` has no line here.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { catalogRows, type Row } from '../fixtures/catalog-rows.ts'
import type { World } from './world.ts'

export interface Request {
  readonly method: string
  readonly path: string
  readonly body?: unknown
}

export interface Operation {
  /** The engine's name of it. */
  readonly kind: string
  /** What tells two ways of one kind apart. */
  readonly how?: string
  /** Failpoints that other kinds pass as well, and that are killed at here. */
  readonly covers?: RegExp
  /** Its own failpoints are those of another line of this kind: it is killed at `covers` alone. */
  readonly onlyThese?: true
  /** What must be there before it; everything is named after `id`. */
  readonly before?: (world: World, id: string) => Promise<void>
  readonly ask: (id: string) => Request
  /** `false`: as before it. Throws when it is neither. */
  readonly isDone: (world: World, id: string) => Promise<boolean>
  /** Deletes what is there after either end, and whatever `before` made. */
  readonly clean: (id: string) => readonly Request[]
}

export const store = 'projects/store'
export const production = `${store}/branches/production`

const branch = (id: string) => `${store}/branches/${id}`
const get = (path: string): Request => ({ method: 'GET', path })
const post = (path: string, body: unknown = {}): Request => ({ method: 'POST', path, body })
const patch = (path: string, body: unknown): Request => ({ method: 'PATCH', path, body })
const del = (path: string): Request => ({ method: 'DELETE', path })

const makeBranch = (id: string) =>
  post(`${store}/branches?branch_id=${id}`, { spec: { ttl: '1h' } })
const purgeBranch = (id: string) => del(`${branch(id)}?purge=true&allow_missing=true`)
const makeProject = (id: string) => post(`projects?project_id=${id}`, { spec: {} })
const purgeProject = (id: string) => del(`projects/${id}?purge=true`)
const snapshot = (id: string) => `${store}/snapshots/${id}`
const takeSnapshot = (id: string) =>
  post(`${store}/snapshots?snapshot_id=${id}`, {
    spec: { source_branch: production, no_expiry: true },
  })
const reader = (id: string) => `${production}/endpoints/${id}`
const makeReader = (id: string) =>
  post(`${production}/endpoints?endpoint_id=${id}`, {
    spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' },
  })
const makeRole = (id: string) =>
  post(`${production}/roles?role_id=${id}`, {
    spec: { postgres_role: id, attributes: { createdb: true } },
  })
const makeDatabase = (id: string) =>
  post(`${production}/databases?database_id=${id}`, {
    spec: { postgres_database: id, role: `${production}/roles/${id}` },
  })
const deleteRole = (id: string) => del(`${production}/roles/${id}`)
const deleteDatabase = (id: string) => del(`${production}/databases/${id}`)

const make =
  (...requests: readonly ((id: string) => Request)[]) =>
  async (world: World, id: string) => {
    for (const request of requests) await world.write(request(id))
  }

/** There, ready and with every row that was acknowledged before it was asked for; or not there. */
async function isWholeBranch(world: World, path: string): Promise<boolean> {
  const { status, body } = await world.send(get(path))
  if (status === 404) return false
  expect(body.status).toMatchObject({ current_state: 'READY' })
  expect(body.status).not.toHaveProperty('pending_state')
  expect(await world.rowsOf(path)).toEqual(world.acknowledged)
  return true
}

const isThere = async (world: World, path: string): Promise<boolean> => {
  const { status } = await world.send(get(path))
  expect([200, 404]).toContain(status)
  return status === 200
}

const previousStates = async (world: World, id: string): Promise<readonly string[]> =>
  (await world.send(get(`${store}/snapshots?page_size=1000`))).body.snapshots
    .filter(({ status }: Row) => status.source_branch === branch(id))
    .map(({ name }: Row) => name)
    .filter((name: string) => name.includes('/before-'))

/** A write of the branch's own, and before that a snapshot of it. */
async function makeToReplace(world: World, id: string): Promise<void> {
  await world.write(makeBranch(id))
  await world.write(
    post(`${store}/snapshots?snapshot_id=s${id}`, {
      spec: { source_branch: branch(id), no_expiry: true },
    }),
  )
  await world.sql('insert into kept values (-1)', branch(id))
}

/**
 * Without its own write, which the snapshot of the previous state then has; or as it was, and there is no
 * such snapshot. Its snapshots are deleted on the way.
 */
async function isReplaced(world: World, id: string, { lacks }: { lacks: number }) {
  const { body } = await world.send(get(branch(id)))
  expect(body.status).toMatchObject({ current_state: 'READY' })
  expect(body.status).not.toHaveProperty('pending_state')
  const held = await world.rowsOf(branch(id))
  const [kept, ...others] = await previousStates(world, id)
  expect(others).toEqual([])
  const isDone = !held.includes(-1)
  expect(kept !== undefined).toBe(isDone)
  if (kept !== undefined) {
    expect(held).toEqual(world.acknowledged.slice(0, held.length))
    expect(held.length).toBeGreaterThanOrEqual(world.acknowledged.length - lacks)
    const spec = { spec: { ttl: '1h', source_snapshot: kept } }
    await world.write(post(`${store}/branches?branch_id=of-${id}`, spec))
    expect(await world.rowsOf(branch(`of-${id}`))).toContain(-1)
    await world.write(purgeBranch(`of-${id}`))
    await world.write(del(kept))
  }
  return isDone
}

/** In Postgres and the API alike, or in neither; and no draft of a database stays. */
async function isInPostgres(world: World, kind: 'roles' | 'databases', id: string) {
  const there = await isThere(world, `${production}/${kind}/${id}`)
  const rows = await world.sql(
    `select rolname as name from pg_roles where rolname like '%${id}'
     union all select datname from pg_database where datname like '%${id}' or datname like 'lakelet-draft-%'`,
  )
  const names = rows.map(({ name }) => name)
  expect(names.filter((name) => name.startsWith('lakelet-draft-'))).toEqual([])
  return { there, names }
}

async function isWholeProject(world: World, id: string): Promise<boolean> {
  if (!(await isThere(world, `projects/${id}`))) return false
  const rows = await world.sql('select 1 as n', `projects/${id}/branches/production`)
  expect(rows).toEqual([{ n: 1 }])
  return true
}

const not = (work: Promise<boolean>): Promise<boolean> => work.then((is) => !is)

/** Of backups, one place for each: outside of the state directory, as they should be. */
const places = mkdtempSync(join(tmpdir(), 'lakelet-places-'))
afterAll(() => rmSync(places, { recursive: true, force: true }))
const place = (id: string) => join(places, id)
const backUp = (id: string) => post(`${production}/backups`, { to: place(id) })

/** So many backups, of which the last can be restored. */
async function hasBackups(world: World, id: string, count: number): Promise<boolean> {
  const { status, body } = await world.send(get(`backups?from=${place(id)}`))
  if (status === 404) return false
  expect(status).toBe(200)
  const { problems } = await world.write(post('backups/verify', { from: place(id) }))
  expect(problems).toEqual([])
  return body.backups.length === count
}

/** Of a project that stays: to make one takes longer than all the rest. */
const elder = 'projects/elder/branches'
const upgrade: Operation = {
  kind: 'upgrade-branch',
  covers: /^(compute\.copy-database|upgrade-branch)[:.]/,
  async before(world) {
    if (await isThere(world, 'projects/elder')) return
    await world.write(post('projects?project_id=elder', { spec: { pg_version: 15 } }))
    await world.sql('create table kept (n int)', `${elder}/production`)
  },
  ask: (id) =>
    post(`${elder}/production/upgrade?branch_id=${id}`, { spec: { pg_version: 18, ttl: '1h' } }),
  async isDone(world, id) {
    if (!(await isThere(world, `${elder}/${id}`))) return false
    const [row] = await world.sql('select count(*)::int as n from kept', `${elder}/${id}`)
    expect(row).toEqual({ n: 0 })
    return true
  },
  clean: (id) => [del(`${elder}/${id}?purge=true&allow_missing=true`)],
}

export const operations: readonly Operation[] = [
  {
    kind: 'create-backup',
    how: 'full',
    covers: /^(backup\.(begin|store|commit|end):|create-backup\.cloned$)/,
    ask: backUp,
    isDone: (world, id) => hasBackups(world, id, 1),
    clean: () => [],
  },
  {
    kind: 'create-backup',
    how: 'by WAL',
    covers: /^create-backup\.flushed$/,
    onlyThese: true,
    before: make(backUp),
    ask: backUp,
    isDone: (world, id) => hasBackups(world, id, 2),
    clean: () => [],
  },
  {
    kind: 'verify-backups',
    before: make(backUp),
    ask: (id) => post('backups/verify', { from: place(id) }),
    // It leaves no trace but its answer.
    async isDone(world) {
      const [row] = await catalogRows(
        world.server,
        "select state, response from operations where kind = 'verify-backups' order by seq desc limit 1",
      )
      if (row?.state === 'succeeded') expect(row.response).toMatchObject({ is_whole: true })
      return row?.state === 'succeeded'
    },
    clean: () => [],
  },
  {
    kind: 'restore-backup',
    before: make(backUp),
    ask: (id) => post('backups/restore', { from: place(id), into: branch(id) }),
    isDone: (world, id) => isWholeBranch(world, branch(id)),
    clean: (id) => [purgeBranch(id)],
  },
  {
    kind: 'create-branch',
    covers:
      /^(storage\.(clone|link-wal|copy-wal|prepare-recovery|publish)|compute\.(bracket|start)|audit)[.:]/,
    ask: makeBranch,
    isDone: (world, id) => isWholeBranch(world, branch(id)),
    clean: (id) => [purgeBranch(id)],
  },
  {
    kind: 'delete-branch',
    covers: /^(storage\.(delete|remove)|compute\.stop)[.:]/,
    before: make(makeBranch),
    ask: purgeBranch,
    isDone: (world, id) => not(isWholeBranch(world, branch(id))),
    clean: (id) => [purgeBranch(id)],
  },
  {
    kind: 'delete-branch',
    how: 'that can be undeleted',
    before: make(makeBranch),
    ask: (id) => del(branch(id)),
    async isDone(world, id) {
      if (await isWholeBranch(world, branch(id))) return false
      await world.write(post(`${branch(id)}/undelete`))
      expect(await isWholeBranch(world, branch(id))).toBe(true)
      return true
    },
    clean: (id) => [purgeBranch(id)],
  },
  {
    kind: 'undelete-branch',
    before: make(makeBranch, (id) => del(branch(id))),
    ask: (id) => post(`${branch(id)}/undelete`),
    isDone: (world, id) => isWholeBranch(world, branch(id)),
    clean: (id) => [purgeBranch(id)],
  },
  ...(existsSync('/usr/lib/postgresql/15/bin/pg_dump') ? [upgrade] : []),
  {
    kind: 'reset-branch',
    covers: /^replace-volume\.(verify|exchange):/,
    before: makeToReplace,
    ask: (id) => post(`${branch(id)}/reset`),
    isDone: (world, id) => isReplaced(world, id, { lacks: 0 }),
    clean: (id) => [purgeBranch(id), del(snapshot(`s${id}`))],
  },
  {
    kind: 'restore-branch',
    how: 'that sleeps',
    async before(world, id) {
      await makeToReplace(world, id)
      for (const disabled of [true, false]) {
        const endpoint = `${branch(id)}/endpoints/primary?update_mask=spec.disabled`
        await world.write(patch(endpoint, { spec: { disabled } }))
      }
    },
    ask: (id) => post(`${branch(id)}/restore`, { snapshot: `s${id}` }),
    isDone: (world, id) => isReplaced(world, id, { lacks: 1 }), // a commit may follow the snapshot
    clean: (id) => [purgeBranch(id), del(snapshot(`s${id}`))],
  },
  {
    kind: 'verify-branch',
    before: make(makeBranch),
    ask: (id) => post(`${branch(id)}/verify`),
    // It changes nothing: what it comes to is a whole report, or none.
    async isDone(world, id) {
      const [row] = await catalogRows(
        world.server,
        `select response from operations where kind = 'verify-branch' and resource = '${branch(id)}'`,
      )
      if (row?.response == null) return false
      expect(row.response).toMatchObject({ is_sound: true, branch: branch(id) })
      return true
    },
    clean: (id) => [purgeBranch(id)],
  },
  {
    kind: 'update-endpoint',
    ask: (id) =>
      patch(`${production}/endpoints/primary?update_mask=spec.suspend_timeout_duration`, {
        spec: { suspend_timeout_duration: `${secondsOf(id)}s` },
      }),
    async isDone(world, id) {
      const { body } = await world.send(get(`${production}/endpoints/primary`))
      return body.status.suspend_timeout_duration === `${secondsOf(id)}s`
    },
    clean: () => [],
  },
  {
    kind: 'create-snapshot',
    ask: takeSnapshot,
    async isDone(world, id) {
      const { status, body } = await world.send(get(snapshot(id)))
      if (status === 404) return false
      expect(body.status.full_size_bytes).toBeGreaterThan(2 ** 20)
      await world.write(
        post(`${store}/branches?branch_id=of-${id}`, {
          spec: { ttl: '1h', source_snapshot: snapshot(id) },
        }),
      )
      return await isWholeBranch(world, branch(`of-${id}`))
    },
    clean: (id) => [purgeBranch(`of-${id}`), del(snapshot(id))],
  },
  {
    kind: 'delete-snapshot',
    before: make(takeSnapshot),
    ask: (id) => del(snapshot(id)),
    isDone: (world, id) => not(isThere(world, snapshot(id))),
    clean: (id) => [del(snapshot(id))],
  },
  {
    kind: 'create-project',
    ask: makeProject,
    isDone: isWholeProject,
    clean: (id) => [purgeProject(id)],
  },
  {
    kind: 'create-project',
    how: 'the first of its major',
    covers: /^storage\.create:|^compute\.initialize\./,
    onlyThese: true,
    before: async (world) => world.forgetTemplate(16),
    ask: (id) => post(`projects?project_id=${id}`, { spec: { pg_version: 16 } }),
    isDone: isWholeProject,
    clean: (id) => [purgeProject(id)],
  },
  {
    kind: 'delete-project',
    before: make(makeProject),
    ask: purgeProject,
    isDone: (world, id) => not(isThere(world, `projects/${id}`)),
    clean: (id) => [purgeProject(id)],
  },
  {
    kind: 'undelete-project',
    before: make(makeProject, (id) => del(`projects/${id}`)),
    ask: (id) => post(`projects/${id}/undelete`),
    async isDone(world, id) {
      const { status, body } = await world.send(get(`projects/${id}`))
      return status === 200 && body.delete_time === undefined
    },
    clean: (id) => [purgeProject(id)],
  },
  {
    kind: 'create-endpoint',
    covers: /^reader\.place:/,
    ask: makeReader,
    async isDone(world, id) {
      if (!(await isThere(world, reader(id)))) return false
      expect(await world.rowsOf(production, id)).toEqual(world.acknowledged)
      return true
    },
    clean: (id) => [del(reader(id))],
  },
  {
    kind: 'delete-endpoint',
    covers: /^reader\.drop:/,
    before: make(makeReader),
    ask: (id) => del(reader(id)),
    isDone: (world, id) => not(isThere(world, reader(id))),
    clean: (id) => [del(reader(id))],
  },
  {
    kind: 'create-role',
    ask: makeRole,
    async isDone(world, id) {
      const { there, names } = await isInPostgres(world, 'roles', id)
      expect(names).toEqual(there ? [id] : [])
      return there
    },
    clean: (id) => [deleteRole(id)],
  },
  {
    kind: 'update-role',
    before: make(makeRole),
    ask: (id) =>
      patch(`${production}/roles/${id}?update_mask=spec.attributes.bypassrls`, {
        spec: { attributes: { bypassrls: true } },
      }),
    async isDone(world, id) {
      const [row] = await world.sql(
        `select rolbypassrls as is_changed from pg_roles where rolname = '${id}'`,
      )
      const { body } = await world.send(get(`${production}/roles/${id}`))
      expect(body.status.attributes).toMatchObject({ createdb: true, bypassrls: row?.is_changed })
      return row?.is_changed
    },
    clean: (id) => [deleteRole(id)],
  },
  {
    kind: 'delete-role',
    covers: /^roles\.delete-role:/,
    async before(world, id) {
      await make(makeRole, makeDatabase, () => makeRole(`heir-${id}`))(world, id)
      await world.sql(`create table kept (); alter table kept owner to "${id}"`, production, id)
    },
    ask: (id) => del(`${production}/roles/${id}?reassign_owned_to=heir-${id}`),
    async isDone(world, id) {
      const { there, names } = await isInPostgres(world, 'roles', id)
      expect(names.sort()).toEqual([id, ...(there ? [id] : []), `heir-${id}`].sort())
      return !there
    },
    clean: (id) => [deleteDatabase(id), deleteRole(id), deleteRole(`heir-${id}`)],
  },
  {
    kind: 'create-database',
    covers: /^roles\.create-database:/,
    before: make(makeRole),
    ask: makeDatabase,
    async isDone(world, id) {
      const { there, names } = await isInPostgres(world, 'databases', id)
      expect(names).toEqual(there ? [id, id] : [id])
      return there
    },
    clean: (id) => [deleteDatabase(id), deleteRole(id)],
  },
  {
    kind: 'update-database',
    before: make(makeRole, makeDatabase),
    ask: (id) =>
      patch(`${production}/databases/${id}?update_mask=spec.postgres_database`, {
        spec: { postgres_database: `new-${id}` },
      }),
    async isDone(world, id) {
      const { names } = await isInPostgres(world, 'databases', id)
      expect(names).toHaveLength(2)
      return names.includes(`new-${id}`)
    },
    clean: (id) => [deleteDatabase(id), deleteRole(id)],
  },
  {
    kind: 'delete-database',
    covers: /^roles\.delete-database:/,
    before: make(makeRole, makeDatabase),
    ask: deleteDatabase,
    async isDone(world, id) {
      const { there, names } = await isInPostgres(world, 'databases', id)
      expect(names).toEqual(there ? [id, id] : [id])
      return !there
    },
    clean: (id) => [deleteDatabase(id), deleteRole(id)],
  },
]

/** A timeout that no other case sets: ids end with their number. */
const secondsOf = (id: string): number => 1000 + Number(/\d+$/.exec(id)?.[0])

/** Killed at where they are passed, which no operation does. */
export interface Elsewhere {
  readonly point: RegExp
  readonly by: string
  /** That test kills at all of a kind's points. */
  readonly kind?: string
  /** It finds them by the trace of a run, and so names none. */
  readonly isTraced?: true
}

export const elsewhere: readonly Elsewhere[] = [
  { point: /^storage\.(set-aside|put-back):/, by: 'src/storage/crash.test.ts' },
  { point: /^export\./, by: 'test/integration/export.test.ts' },
  {
    point: /^transfer\./,
    by: 'test/faults/killed-imports.test.ts',
    kind: 'import-branch',
    isTraced: true,
  },
  { point: /^catalog\.known-volumes$/, by: 'test/integration/sweep.test.ts' },
  { point: /^deliver-events\./, by: 'test/integration/end-warnings.test.ts' },
  { point: /^collect-left-overs\./, by: 'test/integration/gc.test.ts' },
  { point: /^compute\.reload\./, by: 'test/integration/durability.test.ts' },
  { point: /^storage\.open:/, by: 'src/storage/crash.test.ts' },
  {
    point: /^(take-base|erase-base|place-at)\.|^storage\.remove-wal:/,
    by: 'test/faults/killed-history.test.ts',
  },
  { point: /^compute\.toolchain\./, by: 'src/compute/adoption.test.ts' },
  // Only where both installations are complete.
  { point: /^compute\.upgrade-cluster:/, by: 'test/integration/pg-upgrade.test.ts' },
]

export const nameOf = ({ kind, how }: Operation): string => (how ? `${kind} ${how}` : kind)
