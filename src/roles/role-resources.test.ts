/** Roles and databases as resources, against real Postgres. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fault } from '../domain/faults.ts'
import type { BranchUid, DatabaseId, IdentityUid, OperationUid, RoleId } from '../domain/names.ts'
import { noAttributes } from '../domain/role.ts'
import { createLog } from '../lib/log.ts'
import { systemClock } from '../lib/time.ts'
import type { NewDatabase, NewRole } from '../ports/role-resources.ts'
import { openRoles } from './open-roles.ts'
import {
  installedMajors,
  type ThrowawayCluster,
  type ThrowawayPostgres,
  throwawayPostgres,
} from './throwaway-cluster.fixture.ts'

const ana = 'Ana.B@x.example'
const bo = 'bo@x.example'

describe.each(installedMajors)('role and database resources on Postgres %i', (major) => {
  const roles = openRoles({ clock: systemClock, log: createLog('test') })
  let postgres: ThrowawayPostgres
  let cluster: ThrowawayCluster
  let socket: string

  const as = async (
    user: string,
    sql: string,
    database = 'databricks_postgres',
  ): Promise<readonly Record<string, unknown>[]> => {
    const client = new pg.Client({ host: socket, user, database })
    await client.connect()
    try {
      const result: pg.QueryResult | readonly pg.QueryResult[] = await client.query(sql)
      return (Array.isArray(result) ? result.at(-1) : result)?.rows ?? []
    } finally {
      await client.end()
    }
  }
  let operations = 0
  const newOperation = (): OperationUid => {
    operations += 1
    return `op-${operations}` as OperationUid
  }
  const newRole = (roleId: string, fields: Partial<NewRole> = {}): NewRole => ({
    operation: newOperation(),
    roleId: roleId as RoleId,
    postgresRole: roleId,
    identityType: undefined,
    canLogin: true,
    attributes: noAttributes,
    isSuperuserMember: false,
    createdBy: 'me' as IdentityUid,
    ...fields,
  })
  const newDatabase = (databaseId: string, owner: string, name = databaseId): NewDatabase => ({
    operation: newOperation(),
    databaseId: databaseId as DatabaseId,
    postgresDatabase: name,
    owner: owner as RoleId,
    createdBy: 'me' as IdentityUid,
  })
  const look = () => roles.inspect(socket, { creator: ana })
  const role = async (id: string) => (await look()).roles.find(({ roleId }) => roleId === id)
  const database = async (id: string) =>
    (await look()).databases.find(({ databaseId }) => databaseId === id)
  const dropRole = async (id: string, reassignTo?: string) =>
    roles.deleteRole(
      socket,
      { roleId: id as RoleId, oid: (await role(id))?.oid ?? 0 },
      { reassignTo: reassignTo as RoleId | undefined },
    )
  const dropDatabase = async (id: string, oid?: number) =>
    roles.deleteDatabase(socket, {
      databaseId: id as DatabaseId,
      oid: oid ?? (await database(id))?.oid ?? 0,
    })
  const reasonOf = (work: Promise<unknown>) =>
    work.then(
      () => 'no refusal',
      (error: unknown) => {
        if (!(error instanceof Fault)) throw error
        return error.reason
      },
    )

  beforeAll(async () => {
    postgres = await throwawayPostgres(major)
    cluster = await postgres.create()
    socket = cluster.socketDirectory
    await roles.prepareCluster(socket)
    await roles.ensureManager(socket, { loginName: ana, kind: 'USER' })
  })
  afterAll(async () => {
    await postgres?.remove()
  })

  test('a fresh branch shows its creator and its database, and nothing of ours', async () => {
    await roles.ensureNarrowed(socket, { loginName: ana, kind: 'USER' }, 'databricks_postgres', {
      permission: 'READ_ONLY',
      tables: undefined,
    })
    const { roles: shown, databases } = await look()
    expect(shown).toMatchObject([
      {
        roleId: 'ana-b',
        postgresRole: ana,
        identityType: 'USER',
        canLogin: true,
        isSuperuserMember: true,
        isManager: true,
        attributes: { createdb: true, createrole: true, bypassrls: true },
      },
    ])
    expect(databases).toMatchObject([
      {
        databaseId: 'databricks-postgres',
        postgresDatabase: 'databricks_postgres',
        ownerId: 'ana-b',
      },
    ])
    expect(await look()).toEqual(await roles.inspect(socket, { creator: undefined }))
  })

  test('a role has what was asked for, and is found again when its operation runs again', async () => {
    const wanted = newRole('app', {
      postgresRole: `ap"p' é`,
      attributes: { createdb: true, createrole: false, bypassrls: false },
      isSuperuserMember: true,
    })
    const made = await roles.createRole(socket, wanted)
    expect(made).toMatchObject({
      roleId: 'app',
      postgresRole: `ap"p' é`,
      identityType: undefined,
      canLogin: true,
      isSuperuserMember: true,
      attributes: wanted.attributes,
      createdBy: 'me',
    })
    expect(await roles.createRole(socket, wanted)).toEqual(made)
    expect(await role('app')).toEqual(made)
    expect((await roles.passwordVerifiers(socket)).map((entry) => entry.role)).toContain(`ap"p' é`)
    expect(await reasonOf(roles.createRole(socket, newRole('app')))).toBe('ROLE_EXISTS')
    expect(
      await reasonOf(roles.createRole(socket, newRole('other', { postgresRole: `ap"p' é` }))),
    ).toBe('ROLE_EXISTS')
    // A member administers it by SQL, as the guide says.
    await as(ana, `ALTER ROLE "ap""p' é" PASSWORD 'secret'`)
    await dropRole('app')
    await dropRole('app')
    expect(await role('app')).toBeUndefined()
    expect(
      await as('cloud_admin', `SELECT FROM pg_shseclabel WHERE label LIKE '%"id":"app"%'`),
    ).toEqual([])
  })

  test('identities log in by token; a role without login has no password', async () => {
    for (const identityType of ['USER', 'SERVICE_PRINCIPAL', 'GROUP'] as const) {
      const id = identityType.toLowerCase().replace('_', '-')
      const made = await roles.createRole(socket, newRole(id, { identityType }))
      expect(made).toMatchObject({ identityType, canLogin: true })
      expect(await roles.hasIdentityRole(socket, id)).toBe(true)
      await dropRole(id)
    }
    await roles.createRole(socket, newRole('quiet', { canLogin: false }))
    expect(
      await as(
        'cloud_admin',
        "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'quiet'",
      ),
    ).toEqual([{ rolcanlogin: false, rolpassword: null }])
    await dropRole('quiet')
  })

  test('an undone create leaves nothing, and takes nothing of others', async () => {
    const wanted = newRole('undone')
    await roles.createRole(socket, wanted)
    await roles.undoCreateRole(socket, 'another' as OperationUid)
    expect(await role('undone')).toBeDefined()
    await roles.undoCreateRole(socket, wanted.operation)
    await roles.undoCreateRole(socket, wanted.operation)
    expect(await role('undone')).toBeUndefined()

    const base = newDatabase('undone-db', 'ana-b')
    await roles.createDatabase(socket, base)
    await roles.undoCreateDatabase(socket, base.operation)
    await roles.undoCreateDatabase(socket, base.operation)
    expect(await database('undone-db')).toBeUndefined()
    // Died between the draft and its name.
    await as('cloud_admin', `CREATE DATABASE "lakelet-draft-dead"`, 'postgres')
    expect((await look()).databases.map(({ databaseId }) => databaseId)).not.toContain(
      'lakelet-draft-dead',
    )
    await roles.undoCreateDatabase(socket, 'dead' as OperationUid)
    expect(
      await as('cloud_admin', "SELECT datname FROM pg_database WHERE datname ~ 'draft'"),
    ).toEqual([])
  })

  test('an update changes what it names and nothing beside it', async () => {
    await roles.createRole(
      socket,
      newRole('changing', {
        attributes: { ...noAttributes, createdb: true },
        isSuperuserMember: true,
      }),
    )
    const id = 'changing' as RoleId
    expect(await roles.updateRole(socket, id, { attributes: { bypassrls: true } })).toMatchObject({
      attributes: { createdb: true, createrole: false, bypassrls: true },
      isSuperuserMember: true,
    })
    const before = await role('changing')
    const after = await roles.updateRole(socket, id, { isSuperuserMember: false })
    expect(after).toMatchObject({
      attributes: { createdb: true, createrole: false, bypassrls: true },
      isSuperuserMember: false,
      createTime: before?.createTime,
    })
    expect(after.updateTime).toBeGreaterThanOrEqual(before?.updateTime ?? 0)
    expect(await roles.updateRole(socket, id, { isSuperuserMember: true })).toMatchObject({
      isSuperuserMember: true,
    })
    await dropRole('changing')
    expect(await reasonOf(roles.updateRole(socket, id, {}))).toBe('ROLE_NOT_FOUND')
  })

  test('what SQL makes is there under an id that stays, until SQL drops it', async () => {
    await as(ana, 'CREATE EXTENSION databricks_auth')
    await as(ana, `CREATE ROLE "My App"; CREATE ROLE my_app LOGIN; CREATE ROLE "1st"`)
    await as(ana, `SELECT databricks_create_role('Carl@x.example', 'USER')`)
    await as(
      ana,
      `SELECT databricks_create_role('0b7c1f6e-1111-4222-8333-444455556666', 'SERVICE_PRINCIPAL')`,
    )
    await as(ana, `CREATE DATABASE "My Shop"`)
    const made = (await look()).roles.filter(({ postgresRole }) => postgresRole !== ana)
    expect(made).toMatchObject([
      { roleId: 'my-app', postgresRole: 'My App', canLogin: false, identityType: undefined },
      {
        roleId: expect.stringMatching(/^my-app-[0-9a-f]{8}$/),
        postgresRole: 'my_app',
        canLogin: true,
      },
      { roleId: 'role-1st' },
      { roleId: 'carl', identityType: 'USER' },
      { roleId: 'sp-0b7c1f6e-1111-4222-8333-444455556666', identityType: 'SERVICE_PRINCIPAL' },
    ])
    expect(await database('my-shop')).toMatchObject({
      postgresDatabase: 'My Shop',
      ownerId: 'ana-b',
    })

    await as(ana, `ALTER ROLE "My App" RENAME TO renamed`)
    expect(await role('my-app')).toMatchObject({ postgresRole: 'renamed' })
    // Now that its maker's database belongs to the shared owner, it still shows its maker.
    await roles.adoptDatabases(socket)
    expect(await database('my-shop')).toMatchObject({ ownerId: 'ana-b' })
    await as(
      ana,
      'ALTER DATABASE "My Shop" RENAME TO shop; ALTER DATABASE shop SET work_mem = 4096',
    )
    expect(await database('my-shop')).toMatchObject({ postgresDatabase: 'shop' })

    const fork = await postgres.fork(cluster)
    const there = await roles.inspect(fork.socketDirectory, { creator: ana })
    expect(there).toEqual(await look())
    await fork.stop()

    await as(
      ana,
      `DROP ROLE renamed, my_app, "1st", "Carl@x.example", "0b7c1f6e-1111-4222-8333-444455556666"`,
    )
    await as(ana, 'DROP DATABASE shop')
    const { roles: left, databases } = await look()
    expect(left.map(({ roleId }) => roleId)).toEqual(['ana-b'])
    expect(databases.map(({ databaseId }) => databaseId)).toEqual(['databricks-postgres'])
    expect((await as('cloud_admin', `SELECT count(*)::int AS n FROM pg_shseclabel`))[0]).toEqual({
      n: 2,
    })
  }, 60_000)

  test('looks at the same time give the same ids', async () => {
    await as(ana, `CREATE ROLE "a b"; CREATE ROLE "a_b"; CREATE ROLE "a-b"`)
    const looks = await Promise.all(Array.from({ length: 8 }, look))
    for (const seen of looks) expect(seen.roles).toEqual(looks[0]?.roles)
    await as(ana, `DROP ROLE "a b", a_b, "a-b"`)
  })

  test('a look is in a session of the look before, and outlives its end', async () => {
    const sessions = () =>
      as(
        'cloud_admin',
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'lakelet roles'`,
        'postgres',
      )
    await look()
    const before = await sessions()
    const seen = await look()
    expect(await sessions()).toEqual(before)
    await as(
      'cloud_admin',
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lakelet roles'`,
      'postgres',
    )
    expect(await Promise.all([look(), look()])).toEqual([seen, seen])
  })

  test('a database of a manager is shared, and has the triggers', async () => {
    const made = await roles.createDatabase(socket, newDatabase('shop', 'ana-b', 'sh"op'))
    expect(made).toMatchObject({ databaseId: 'shop', postgresDatabase: 'sh"op', ownerId: 'ana-b' })
    expect(
      await as(
        'cloud_admin',
        `SELECT datdba::regrole::text AS owner FROM pg_database WHERE datname = 'sh"op'`,
      ),
    ).toEqual([{ owner: 'databricks_owner' }])
    await roles.ensureManager(socket, { loginName: bo, kind: 'USER' })
    await as(ana, 'CREATE TABLE t (n int)', 'sh"op')
    await as(bo, 'ALTER TABLE t ADD m int; DROP TABLE t', 'sh"op')
    expect(await reasonOf(roles.createDatabase(socket, newDatabase('shop', 'ana-b')))).toBe(
      'DATABASE_EXISTS',
    )
    expect(
      await reasonOf(roles.createDatabase(socket, newDatabase('shop-2', 'ana-b', 'sh"op'))),
    ).toBe('DATABASE_EXISTS')
    expect(await reasonOf(roles.createDatabase(socket, newDatabase('shop-3', 'nobody')))).toBe(
      'ROLE_REFERENCE_NOT_FOUND',
    )
  }, 60_000)

  test('a database of a role of its own is shared with managers', async () => {
    await roles.createRole(socket, newRole('owning'))
    await roles.createDatabase(socket, newDatabase('owned', 'owning'))
    await as('owning', 'CREATE TABLE theirs (n int)', 'owned')
    await as(ana, 'ALTER TABLE theirs ADD m int; CREATE TABLE ours (n int)', 'owned')
    await as(bo, 'ALTER TABLE theirs DROP m; ALTER TABLE ours ADD m int', 'owned')
    // Given to a manager, it is a shared database like the others, and back.
    const id = 'owned' as DatabaseId
    expect(await roles.updateDatabase(socket, id, { owner: 'bo' as RoleId })).toMatchObject({
      ownerId: 'bo',
    })
    expect(await database('owned')).toMatchObject({ ownerId: 'bo' })
    expect(await roles.updateDatabase(socket, id, { owner: 'owning' as RoleId })).toMatchObject({
      ownerId: 'owning',
    })
    expect(await reasonOf(roles.updateDatabase(socket, id, { owner: 'no' as RoleId }))).toBe(
      'ROLE_REFERENCE_NOT_FOUND',
    )
  }, 60_000)

  test('a rename ends the sessions of the database, and so does a delete', async () => {
    const id = 'owned' as DatabaseId
    const idle = new pg.Client({ host: socket, user: ana, database: 'owned' })
    const ended = new Promise((resolve) => idle.on('error', resolve))
    await idle.connect()
    expect(await roles.updateDatabase(socket, id, { postgresDatabase: 'own ed' })).toMatchObject({
      databaseId: 'owned',
      postgresDatabase: 'own ed',
      ownerId: 'owning',
    })
    expect(await ended).toMatchObject({ message: expect.stringMatching(/terminat/) })
    expect(await reasonOf(roles.updateDatabase(socket, id, { postgresDatabase: 'sh"op' }))).toBe(
      'DATABASE_EXISTS',
    )
    const again = new pg.Client({ host: socket, user: ana, database: 'sh"op' })
    const endedToo = new Promise((resolve) => again.on('error', resolve))
    await again.connect()
    const { oid } = (await database('shop')) ?? {}
    await dropDatabase('shop', 1) // another one had the id
    expect(await database('shop')).toBeDefined()
    await dropDatabase('shop')
    expect(await endedToo).toMatchObject({ message: expect.stringMatching(/terminat/) })
    expect(await database('shop')).toBeUndefined()
    await dropDatabase('shop', oid)
    // What is left of a delete that was cut short is found by its label.
    await as('cloud_admin', `CREATE DATABASE copy TEMPLATE template1`, 'postgres')
    const copy = await database('copy')
    await as('cloud_admin', `UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'copy'`)
    expect(await database('copy')).toBeUndefined()
    await dropDatabase('copy', copy?.oid)
    expect(await as('cloud_admin', `SELECT FROM pg_database WHERE datname = 'copy'`)).toEqual([])
  }, 60_000)

  test('a role that owns something stays, until another takes all of it, everywhere', async () => {
    await as(
      'owning',
      'CREATE TABLE kept (n int); CREATE SCHEMA s; CREATE TABLE s.more ()',
      'own ed',
    )
    await as(ana, 'CREATE SCHEMA public2; GRANT CREATE, USAGE ON SCHEMA public2 TO owning')
    await as('owning', 'CREATE TABLE public2.here (n int)')
    await as(ana, 'CREATE TABLE granted (n int); GRANT SELECT ON granted TO owning')
    expect(await roles.holdings(socket, 'owning' as RoleId)).toMatch(
      /^the database own ed, 1 object in the database databricks_postgres, \d+ objects in the database own ed$/,
    )
    expect(await reasonOf(dropRole('owning'))).toBe('ROLE_OWNS_OBJECTS')
    expect(await reasonOf(dropRole('owning', 'nobody'))).toBe('ROLE_REFERENCE_NOT_FOUND')
    await roles.createRole(socket, newRole('heir'))
    const idle = new pg.Client({ host: socket, user: 'owning', database: 'own ed' })
    const ended = new Promise((resolve) => idle.on('error', resolve))
    await idle.connect()
    await dropRole('owning', 'heir')
    await ended
    expect(await role('owning')).toBeUndefined()
    expect(await database('owned')).toMatchObject({ ownerId: 'heir' })
    expect(
      await as(
        'cloud_admin',
        `SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class
         WHERE relname IN ('kept', 'theirs', 'more')`,
        'own ed',
      ),
    ).toEqual([{ owner: 'heir' }])
    expect(
      await as(
        'cloud_admin',
        `SELECT relowner::regrole::text AS owner FROM pg_class WHERE relname = 'here'`,
      ),
    ).toEqual([{ owner: 'heir' }])
    // To a manager: then all of it is shared.
    await dropRole('heir', 'ana-b')
    expect(await database('owned')).toMatchObject({ ownerId: 'ana-b' })
    await as(bo, 'DROP TABLE kept, theirs; DROP SCHEMA s CASCADE', 'own ed')
    await as(bo, 'DROP SCHEMA public2 CASCADE; DROP TABLE granted')
  }, 60_000)

  test('a manager that owns databases for readers of the API stays as well', async () => {
    expect(await roles.holdings(socket, 'ana-b' as RoleId)).toBe(
      'the database databricks_postgres, the database own ed',
    )
    expect(await reasonOf(dropRole('ana-b'))).toBe('ROLE_OWNS_OBJECTS')
    await dropRole('ana-b', 'bo')
    expect(await database('owned')).toMatchObject({ ownerId: 'bo' })
    await roles.ensureManager(socket, { loginName: ana, kind: 'USER' })
    expect(await role('ana-b')).toBeDefined()
  }, 60_000)

  test('what the API gave to an identity stays when it ends being a manager', async () => {
    const name = 'dee@x.example'
    await roles.createRole(
      socket,
      newRole('dee', {
        postgresRole: name,
        identityType: 'USER',
        attributes: { ...noAttributes, createdb: true },
        isSuperuserMember: true,
      }),
    )
    const given = { attributes: { ...noAttributes, createdb: true }, isSuperuserMember: true }
    await roles.endManager(socket, name) // as at every login of one who is none
    expect(await role('dee')).toMatchObject({ ...given, isManager: false })
    await roles.ensureManager(socket, { loginName: name, kind: 'USER' })
    expect(await role('dee')).toMatchObject({
      isManager: true,
      attributes: { createdb: true, createrole: true, bypassrls: true },
    })
    await roles.endManager(socket, name)
    expect(await role('dee')).toMatchObject({ ...given, isManager: false })
    await dropRole('dee')
  })

  test('a new password opens, and only roles that have one get it', async () => {
    await roles.createRole(socket, newRole('with-password'))
    const [before] = (await roles.passwordVerifiers(socket)).filter(
      (v) => v.role === 'with-password',
    )
    const password = await roles.renewPassword(socket, 'with-password' as RoleId)
    const [after] = (await roles.passwordVerifiers(socket)).filter(
      (v) => v.role === 'with-password',
    )
    expect(password).toMatch(/^[\w-]{32}$/)
    expect(after?.verifier).not.toBe(before?.verifier)
    expect(await reasonOf(roles.renewPassword(socket, 'bo' as RoleId))).toBe('ROLE_HAS_NO_PASSWORD')
    await dropRole('with-password')
  })

  test('which branch it was settled for', async () => {
    expect((await look()).settledFor).toBeUndefined()
    await roles.settle(socket, 'br-one' as BranchUid)
    await roles.settle(socket, 'br-two' as BranchUid)
    expect((await look()).settledFor).toBe('br-two')
  })

  test('a dump does not mention us', async () => {
    await as(ana, 'CREATE ROLE plain')
    await look()
    expect(await as('cloud_admin', 'SELECT objtype FROM pg_seclabels')).toEqual([])
    await expect(as(ana, 'DELETE FROM pg_shseclabel')).rejects.toThrow('permission denied')
  })
})
