/** Managers, narrowed roles, passwords and adoption, against real Postgres. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../lib/log.ts'
import { systemClock } from '../lib/time.ts'
import { openRoles } from './open-roles.ts'
import {
  installedMajors,
  type ThrowawayCluster,
  type ThrowawayPostgres,
  throwawayPostgres,
} from './throwaway-cluster.fixture.ts'

const ana = 'ana@x.example'
const bo = 'bo@x.example'

describe.each(installedMajors)('roles on Postgres %i', (major) => {
  const roles = openRoles({ clock: systemClock, log: createLog('test') })
  let postgres: ThrowawayPostgres
  let cluster: ThrowawayCluster
  let socket: string

  /** Runs statements in a session of their own; answers with the rows of the last. */
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

  beforeAll(async () => {
    postgres = await throwawayPostgres(major)
    cluster = await postgres.create()
    socket = cluster.socketDirectory
    // Twice at once and once more: the same outcome.
    await Promise.all([roles.prepareCluster(socket), roles.prepareCluster(socket)])
    await roles.prepareCluster(socket)
    await Promise.all(
      [ana, bo, ana, bo].map((loginName) =>
        roles.ensureManager(socket, { loginName, kind: 'USER' }),
      ),
    )
    await as(
      ana,
      `CREATE TABLE products (id serial, name text); INSERT INTO products (name) VALUES ('tea');
       CREATE SCHEMA sales; CREATE TABLE sales.orders (id int); CREATE TABLE sales."Odd.""Name" ()`,
    )
  })
  afterAll(async () => {
    await postgres?.remove()
  })

  test('the cluster has the roles and databases of the contract', async () => {
    expect(
      await as(
        'cloud_admin',
        `SELECT rolname, rolcanlogin, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication, rolsuper
         FROM pg_roles WHERE rolname IN ('databricks_superuser', '${ana}', 'databricks_owner')
         ORDER BY rolname`,
      ),
    ).toMatchObject([
      {
        rolname: ana,
        rolcanlogin: true,
        rolcreatedb: true,
        rolcreaterole: true,
        rolbypassrls: true,
        rolreplication: true,
        rolsuper: false,
      },
      {
        rolname: 'databricks_owner',
        rolcanlogin: false,
        rolcreatedb: false,
        rolcreaterole: false,
        rolsuper: false,
      },
      {
        rolname: 'databricks_superuser',
        rolcanlogin: false,
        rolcreatedb: true,
        rolcreaterole: true,
        rolbypassrls: true,
        rolsuper: false,
      },
    ])
    expect(
      await as(
        'cloud_admin',
        `SELECT datname, datdba::regrole::text AS owner, datallowconn FROM pg_database ORDER BY datname`,
      ),
    ).toEqual([
      { datname: 'databricks_postgres', owner: 'databricks_owner', datallowconn: true },
      { datname: 'postgres', owner: 'cloud_admin', datallowconn: true },
      { datname: 'template0', owner: 'cloud_admin', datallowconn: false },
      { datname: 'template1', owner: 'cloud_admin', datallowconn: true },
    ])
    await expect(as(ana, 'SELECT 1', 'template1')).rejects.toThrow('permission denied')
    const [member] = await as(
      ana,
      `SELECT pg_has_role('databricks_superuser', 'USAGE') AS broad,
              pg_has_role('pg_read_all_data', 'USAGE') AS reads,
              pg_has_role('pg_write_all_data', 'USAGE') AS writes,
              pg_has_role('pg_monitor', 'USAGE') AS monitors,
              current_user::text AS me, session_user::text AS login`,
    )
    expect(member).toEqual({
      broad: true,
      reads: true,
      writes: true,
      monitors: true,
      me: ana,
      login: ana,
    })
  })

  test('a manager whose role was bent is set right', async () => {
    await as(
      'cloud_admin',
      `ALTER ROLE "${bo}" NOLOGIN NOINHERIT NOCREATEDB; REVOKE databricks_superuser FROM "${bo}"`,
    )
    await roles.ensureManager(socket, { loginName: bo, kind: 'USER' })
    await as(bo, 'ALTER TABLE products ADD COLUMN price int')
    await as(bo, 'CREATE DATABASE made')
    await roles.adoptDatabases(socket)
    await as(ana, 'DROP DATABASE made')
  })

  test.each([
    'cloud_admin',
    'pg_monitor',
    'databricks_owner',
    'DATABRICKS_x',
    'public',
    '',
    'x'.repeat(64),
  ])('the login name %j is refused', async (loginName) => {
    await expect(roles.ensureManager(socket, { loginName, kind: 'USER' })).rejects.toMatchObject({
      reason: 'FIELD_INVALID',
    })
  })

  test('a role that SQL made before its identity came is cleaned before it is raised', async () => {
    await as(
      'cloud_admin',
      `CREATE ROLE plotter LOGIN CREATEROLE; GRANT CREATE ON DATABASE databricks_postgres TO plotter`,
    )
    await as('plotter', `CREATE ROLE "eve@x.example" LOGIN PASSWORD 'known'`)
    await as('plotter', `GRANT "eve@x.example" TO plotter`)
    expect(await roles.passwordVerifiers(socket)).toMatchObject([{ role: 'eve@x.example' }])
    await roles.ensureManager(socket, { loginName: 'eve@x.example', kind: 'USER' })
    expect(await roles.passwordVerifiers(socket)).toEqual([])
    await expect(as('plotter', `SET ROLE "eve@x.example"`)).rejects.toThrow('permission denied')
    await as('eve@x.example', 'ALTER TABLE products ADD COLUMN by_eve int')
    expect(await roles.hasIdentityRole(socket, 'eve@x.example')).toBe(true)
    await as('cloud_admin', 'DROP OWNED BY plotter; DROP ROLE plotter')
  })

  test('password roles and identity roles are told apart', async () => {
    await as(ana, `CREATE ROLE service LOGIN PASSWORD 'secret'`)
    await as(ana, `CREATE ROLE late LOGIN PASSWORD 'secret' VALID UNTIL '2020-01-01'`)
    await as(ana, `CREATE ROLE nologin NOLOGIN PASSWORD 'secret'`)
    await as(
      'cloud_admin',
      `ALTER ROLE "${bo}" PASSWORD 'nope'; ALTER ROLE cloud_admin PASSWORD 'nope'`,
    )
    const found = await roles.passwordVerifiers(socket)
    expect(found.map(({ role }) => role)).toEqual(['service'])
    expect(found[0]?.verifier).toMatch(/^SCRAM-SHA-256\$4096:/)
    expect(await roles.hasIdentityRole(socket, 'service')).toBe(false)
    expect(await roles.hasIdentityRole(socket, 'cloud_admin')).toBe(false)
    expect(await roles.hasIdentityRole(socket, 'nobody')).toBe(false)
    expect(await roles.hasIdentityRole(socket, bo)).toBe(true)
  })

  test('roles and databases that one member made are changed and dropped by another', async () => {
    await as(ana, `CREATE ROLE team_rw; CREATE ROLE team_app LOGIN`)
    await as(ana, 'CREATE DATABASE work')
    await roles.adoptDatabases(socket)
    await as(
      bo,
      `ALTER ROLE team_app PASSWORD 'x'; GRANT team_rw TO team_app; DROP ROLE team_rw, team_app`,
    )
    await as(bo, 'DROP DATABASE work')
  })

  test('a manager that is ended keeps only what was granted', async () => {
    await roles.ensureManager(socket, { loginName: 'ex@x.example', kind: 'USER' })
    await as('ex@x.example', 'CREATE TABLE by_ex (id int); CREATE ROLE by_ex_too')
    await roles.endManager(socket, 'ex@x.example')
    await roles.endManager(socket, 'ex@x.example')
    await roles.endManager(socket, 'never@x.example')
    for (const statement of [
      'DROP TABLE by_ex',
      'SELECT * FROM by_ex',
      'SET ROLE databricks_owner',
      'CREATE ROLE more',
      'CREATE DATABASE more',
      'DROP ROLE by_ex_too',
    ]) {
      await expect(as('ex@x.example', statement), statement).rejects.toThrow()
    }
    expect(await roles.hasIdentityRole(socket, 'ex@x.example')).toBe(true)
    await roles.ensureManager(socket, { loginName: 'ex@x.example', kind: 'USER' })
    await as('ex@x.example', 'DROP TABLE by_ex')
  })

  describe('narrowed credentials', () => {
    const reader = { loginName: ana, kind: 'USER' } as const
    const everything = { permission: 'READ_ONLY', tables: undefined } as const

    test('read everything, tables of tomorrow too, and change nothing', async () => {
      const [role] = await Promise.all(
        [1, 2, 3].map(() =>
          roles.ensureNarrowed(socket, reader, 'databricks_postgres', everything),
        ),
      )
      expect(Buffer.byteLength(role ?? '')).toBeLessThanOrEqual(63)
      await as(bo, 'CREATE TABLE sales.tomorrow (id int)')
      const read = (sql: string) => as(role ?? '', sql)
      expect(await read('SELECT name FROM products')).toEqual([{ name: 'tea' }])
      await read('SELECT * FROM sales.tomorrow')
      for (const statement of [
        'INSERT INTO products VALUES (9)',
        'CREATE TABLE x ()',
        'CREATE SCHEMA x',
        'CREATE DATABASE x',
        'CREATE ROLE x',
        'CREATE EXTENSION citext',
        'DROP TABLE products',
        'TRUNCATE products',
        `SET ROLE "${ana}"`,
        'SET ROLE databricks_owner',
        'SET ROLE databricks_superuser',
        `SET SESSION AUTHORIZATION "${ana}"`,
        `RESET ROLE; RESET SESSION AUTHORIZATION; DELETE FROM products`,
        `GRANT databricks_owner TO CURRENT_USER`,
        `SELECT nextval('products_id_seq')`,
        `COPY products FROM PROGRAM 'true'`,
        `ALTER ROLE CURRENT_USER CREATEDB`,
      ]) {
        await expect(
          read(`SET default_transaction_read_only = off; COMMIT; ${statement}`),
          statement,
        ).rejects.toThrow(/permission denied|must |only|not permitted|cannot/i)
      }
      await expect(read('CREATE TEMP TABLE x ()')).rejects.toThrow('read-only transaction')
      expect(await roles.hasIdentityRole(socket, role ?? '')).toBe(false)
    })

    test('read only the named tables', async () => {
      const role = await roles.ensureNarrowed(socket, reader, 'databricks_postgres', {
        permission: 'READ_ONLY',
        tables: [
          'main.sales.orders',
          'products',
          'sales."Odd.""Name"',
          'no.such.table',
          '',
          'pg_catalog.pg_authid',
          'a.b.c.d',
        ],
      })
      await as(
        role,
        'SELECT * FROM products; SELECT * FROM sales.orders; SELECT * FROM sales."Odd.""Name"',
      )
      await expect(as(role, 'SELECT * FROM sales.tomorrow')).rejects.toThrow('permission denied')
      await expect(as(role, 'SELECT * FROM pg_authid')).rejects.toThrow('permission denied')
      await expect(as(role, 'SET ROLE pg_read_all_data')).rejects.toThrow('permission denied')
      await expect(as(role, 'TRUNCATE products')).rejects.toThrow()
      await as(
        'cloud_admin',
        `GRANT pg_write_all_data TO "${role}"; ALTER ROLE "${role}" CREATEDB PASSWORD 'x'`,
      )
      await as(bo, 'DROP TABLE sales.orders; CREATE TABLE sales.orders (id int)')
      const again = await roles.ensureNarrowed(socket, reader, 'databricks_postgres', {
        permission: 'READ_ONLY',
        tables: [
          'products',
          'no.such.table',
          'main.sales.orders',
          'sales."Odd.""Name"',
          '',
          'pg_catalog.pg_authid',
          'a.b.c.d',
        ],
      })
      expect(again).toBe(role)
      await as(role, 'SELECT * FROM sales.orders')
      await expect(
        as(role, `SET default_transaction_read_only = off; COMMIT; DELETE FROM products`),
      ).rejects.toThrow('permission denied')
      expect((await roles.passwordVerifiers(socket)).map(({ role: name }) => name)).not.toContain(
        role,
      )
    })

    test('never reach further than the identity itself', async () => {
      await as('cloud_admin', `CREATE ROLE "sp" LOGIN; GRANT SELECT ON products TO sp`)
      const sp = { loginName: 'sp', kind: 'SERVICE_PRINCIPAL' } as const
      for (const tables of [undefined, ['products', 'sales.orders']]) {
        const role = await roles.ensureNarrowed(socket, sp, 'databricks_postgres', {
          permission: 'READ_ONLY',
          tables,
        })
        await as(role, 'SELECT * FROM products')
        await expect(as(role, 'SELECT * FROM sales.orders')).rejects.toThrow('permission denied')
        await as('cloud_admin', 'REVOKE SELECT ON products FROM sp')
        await roles.ensureNarrowed(socket, sp, 'databricks_postgres', {
          permission: 'READ_ONLY',
          tables,
        })
        await expect(as(role, 'SELECT * FROM products')).rejects.toThrow('permission denied')
        await as('cloud_admin', 'GRANT SELECT ON products TO sp')
      }
      const nobody = { loginName: 'not-here', kind: 'USER' } as const
      const role = await roles.ensureNarrowed(socket, nobody, 'databricks_postgres', everything)
      await expect(as(role, 'SELECT * FROM products')).rejects.toThrow('permission denied')
    })

    test('an absent database is for Postgres to refuse', async () => {
      const role = await roles.ensureNarrowed(socket, reader, 'absent', {
        permission: 'READ_ONLY',
        tables: ['t'],
      })
      await expect(as(role, 'SELECT 1', 'absent')).rejects.toThrow('does not exist')
    })
  })

  describe('the extension databricks_auth', () => {
    test('is created by one member, used and dropped by another', async () => {
      await as(ana, 'CREATE EXTENSION IF NOT EXISTS databricks_auth')
      for (const [name, kind] of [
        ['dev@x.example', 'USER'],
        ['6f1c5c0e-0000-4000-8000-000000000001', 'SERVICE_PRINCIPAL'],
        ['data team', 'GROUP'],
      ]) {
        await as(bo, `SELECT databricks_create_role('${name}', '${kind}')`)
        expect(await roles.hasIdentityRole(socket, name ?? '')).toBe(true)
      }
      await expect(as('dev@x.example', 'CREATE TABLE x ()')).rejects.toThrow('permission denied')
      await expect(as('dev@x.example', 'SELECT * FROM products')).rejects.toThrow(
        'permission denied',
      )
      await as(
        bo,
        `GRANT SELECT ON products TO "dev@x.example"; GRANT "data team" TO "dev@x.example"`,
      )
      await as('dev@x.example', 'SELECT * FROM products')
      await as(bo, `REVOKE ALL ON products FROM "dev@x.example"; DROP ROLE "data team"`)
      await roles.ensureManager(socket, { loginName: 'dev@x.example', kind: 'USER' })
      await as('dev@x.example', 'CREATE TABLE x (); DROP TABLE x')
      await as(bo, 'DROP EXTENSION databricks_auth')
      expect(await roles.hasIdentityRole(socket, 'dev@x.example')).toBe(true)
      await as(
        bo,
        'CREATE SCHEMA ext; CREATE EXTENSION databricks_auth SCHEMA ext; DROP SCHEMA ext CASCADE',
      )
    })

    test('refuses with the words that scripts look for', async () => {
      await as(ana, 'CREATE EXTENSION IF NOT EXISTS databricks_auth')
      await as('cloud_admin', `CREATE ROLE plain LOGIN; CREATE ROLE maker LOGIN CREATEROLE`)
      const make = (user: string, name: string, kind = 'USER', before = '') =>
        as(user, `${before} SELECT databricks_create_role('${name}', '${kind}')`)
      await expect(make('plain', 'p1')).rejects.toMatchObject({ code: '42501' })
      await expect(make(ana, 'p1', 'USER', 'SET ROLE databricks_owner;')).rejects.toMatchObject({
        code: '42501',
      })
      await expect(make(ana, ana)).rejects.toThrow('already exists')
      await expect(make(ana, 'p1', 'ROBOT')).rejects.toThrow('invalid identity type "ROBOT"')
      for (const name of ['pg_x', 'databricks_x', 'cloud_admin', 'public', '', 'y'.repeat(64)]) {
        await expect(make(ana, name), name).rejects.toThrow(/reserved|1 to 63 bytes/)
      }
      await make('maker', 'made by maker')
      await as('maker', 'DROP ROLE "made by maker"')
    })
  })

  test('everything survives a fork; passwords do until they are renewed', async () => {
    await as(
      'cloud_admin',
      `CREATE ROLE app LOGIN PASSWORD 'old'; CREATE ROLE "Odd ""name" PASSWORD 'old'`,
    )
    const fork = await postgres.fork(cluster)
    expect(await roles.hasIdentityRole(fork.socketDirectory, ana)).toBe(true)
    expect((await roles.passwordVerifiers(fork.socketDirectory)).map(({ role }) => role)).toEqual(
      (await roles.passwordVerifiers(socket)).map(({ role }) => role),
    )
    await roles.prepareCluster(fork.socketDirectory)
    const before = await roles.passwordVerifiers(fork.socketDirectory)
    const hashes = (directory: string) => {
      const client = new pg.Client({ host: directory, user: 'cloud_admin', database: 'postgres' })
      return client
        .connect()
        .then(() => client.query('SELECT rolname, rolpassword FROM pg_authid'))
        .then(({ rows }) => new Map(rows.map((row) => [row.rolname, row.rolpassword])))
        .finally(() => client.end())
    }
    const old = await hashes(socket)
    expect(await roles.renewPasswords(fork.socketDirectory)).toBeGreaterThanOrEqual(2)
    const renewed = await hashes(fork.socketDirectory)
    for (const role of ['app', 'Odd "name']) {
      expect(renewed.get(role)).toMatch(/^SCRAM-SHA-256\$4096:/)
      expect(renewed.get(role)).not.toBe(old.get(role))
    }
    expect(renewed.get(ana)).toBe(old.get(ana))
    const verifiers = await roles.passwordVerifiers(fork.socketDirectory)
    expect(verifiers.map(({ role }) => role)).toEqual(before.map(({ role }) => role))
    expect(await hashes(socket)).toEqual(old)
  })
})
