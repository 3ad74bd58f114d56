/** Shared ownership against real Postgres: every kind of object, made by one member, changed by another. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../lib/log.ts'
import { systemClock } from '../lib/time.ts'
import { kinds } from './kinds-of-objects.fixture.ts'
import { openRoles } from './open-roles.ts'
import {
  installedMajors,
  type ThrowawayCluster,
  type ThrowawayPostgres,
  throwawayPostgres,
} from './throwaway-cluster.fixture.ts'

const ana = 'ana@x.example'
const bo = 'bo\'s "own"@x.example'

describe.each(installedMajors)('shared ownership on Postgres %i', (major) => {
  const roles = openRoles({ clock: systemClock, log: createLog('test') })
  let postgres: ThrowawayPostgres
  let cluster: ThrowawayCluster
  const open: pg.Client[] = []

  const connect = async (user: string, database = 'databricks_postgres') => {
    const client = new pg.Client({ host: cluster.socketDirectory, user, database })
    await client.connect()
    open.push(client)
    return client
  }
  let a: pg.Client
  let b: pg.Client
  let root: pg.Client

  beforeAll(async () => {
    postgres = await throwawayPostgres(major)
    cluster = await postgres.create()
    await roles.prepareCluster(cluster.socketDirectory)
    for (const loginName of [ana, bo]) {
      await roles.ensureManager(cluster.socketDirectory, { loginName, kind: 'USER' })
    }
    a = await connect(ana)
    b = await connect(bo)
    root = await connect('cloud_admin')
    await root.query('CREATE EXTENSION postgres_fdw')
    await root.query('GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO databricks_owner')
    await root.query('CREATE ROLE app LOGIN')
    await root.query('GRANT CREATE ON DATABASE databricks_postgres TO app')
  })
  afterAll(async () => {
    await Promise.all(open.map((client) => client.end()))
    await postgres?.remove()
  })

  /** What roles other than the owner role and the superuser own in this database. */
  const personal = async () =>
    (
      await root.query<{ what: string; owner: string }>(
        `SELECT pg_describe_object(classid, objid, objsubid) AS what, refobjid::regrole::text AS owner
         FROM pg_shdepend
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND deptype = 'o' AND refobjid <> 'databricks_owner'::regrole
         ORDER BY 1`,
      )
    ).rows

  test.each(kinds)('$kind', async ({ make, change }) => {
    for (const statement of make) await a.query(statement)
    expect(await personal()).toEqual([])
    expect((await a.query('SELECT current_user, session_user')).rows).toEqual([
      { current_user: ana, session_user: ana },
    ])
    for (const statement of change) {
      await b.query(statement).catch((error) => {
        throw new Error(`${statement}: ${error.message}`)
      })
    }
    expect(await personal()).toEqual([])
  })

  const ownerOf = async (table: string) =>
    (
      await root.query<{ owner: string }>(
        'SELECT relowner::regrole::text AS owner FROM pg_class WHERE oid = $1::regclass',
        [table],
      )
    ).rows[0]?.owner

  test('an explicit owner wins, and another member is then refused', async () => {
    await a.query(`CREATE TABLE mine (); ALTER TABLE mine OWNER TO "${ana}"`)
    expect(await ownerOf('mine')).toBe(`"${ana}"`)
    await a.query('CREATE TABLE IF NOT EXISTS mine (id int)')
    expect(await ownerOf('mine')).toBe(`"${ana}"`)
    await expect(b.query('ALTER TABLE mine ADD COLUMN id int')).rejects.toThrow('must be owner')
    await a.query('ALTER TABLE mine OWNER TO databricks_owner')
    await b.query('DROP TABLE mine')
  })

  test('temporary objects stay with their session', async () => {
    await a.query('CREATE TEMP TABLE scratch (id serial)')
    await a.query('CREATE TEMP VIEW peek AS SELECT * FROM scratch')
    await a.query('CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$')
    expect((await personal()).map(({ owner }) => owner)).toContain(`"${ana}"`)
    await a.query('DISCARD TEMP')
    expect(await personal()).toEqual([])
  })

  test('what a role that is no member makes stays its own', async () => {
    const app = await connect('app')
    await app.query('CREATE SCHEMA apps CREATE TABLE t (id serial)')
    expect(await ownerOf('apps.t')).toBe('app')
    await expect(a.query('ALTER TABLE apps.t ADD COLUMN b int')).rejects.toThrow('must be owner')
    await root.query(`GRANT app TO "${ana}"`)
    await a.query('SET ROLE app')
    await a.query('CREATE TABLE apps.u (); CREATE OR REPLACE VIEW apps.v AS SELECT 1')
    await a.query('RESET ROLE')
    expect(await ownerOf('apps.u')).toBe('app')
    expect(await ownerOf('apps.v')).toBe('app')
    await app.query('DROP SCHEMA apps CASCADE')
  })

  test('a member of a group that is a member shares too', async () => {
    await root.query('CREATE ROLE team; GRANT databricks_owner TO team')
    await root.query('CREATE ROLE mate LOGIN IN ROLE team')
    const mate = await connect('mate')
    await mate.query('CREATE TABLE teamwork ()')
    expect(await ownerOf('teamwork')).toBe('databricks_owner')
    await a.query('DROP TABLE teamwork')
  })

  test('holds inside transactions of any isolation, savepoints, functions and after rollback', async () => {
    for (const level of ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE']) {
      await a.query(`BEGIN ISOLATION LEVEL ${level}`)
      await a.query('SELECT 1; SAVEPOINT s; CREATE TABLE one ()')
      await a.query('ROLLBACK TO s')
      await a.query(
        'DO $$ BEGIN CREATE TABLE two (id serial); EXCEPTION WHEN division_by_zero THEN END $$',
      )
      await a.query('COMMIT')
      expect(await ownerOf('two')).toBe('databricks_owner')
      await b.query('DROP TABLE two')
    }
  })

  test('default privileges of the maker are granted by the owner role', async () => {
    await a.query('ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO app')
    await a.query('CREATE TABLE shown ()')
    const { rows } = await root.query("SELECT relacl::text FROM pg_class WHERE relname = 'shown'")
    expect(rows[0].relacl).toContain('app=r/databricks_owner')
    await b.query('REVOKE SELECT ON shown FROM app; DROP TABLE shown')
    await a.query('ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM app')
  })

  test('a sequence is given to another table’s column in a statement of its own', async () => {
    await a.query('CREATE TABLE counted (id int)')
    await expect(a.query('CREATE SEQUENCE counter OWNED BY counted.id')).rejects.toThrow(
      'sequence must have same owner as table it is linked to',
    )
    await a.query('CREATE SEQUENCE counter')
    await a.query('ALTER SEQUENCE counter OWNED BY counted.id; DROP TABLE counted')
  })

  test('a view or function reaches what its maker reaches', async () => {
    await root.query('CREATE TABLE private (id int); INSERT INTO private VALUES (7)')
    await root.query(
      'ALTER TABLE private OWNER TO app; ALTER TABLE private ENABLE ROW LEVEL SECURITY',
    )
    await a.query('CREATE VIEW window_ AS SELECT id FROM private')
    expect((await b.query('SELECT id FROM window_')).rows).toEqual([{ id: 7 }])
    await b.query('DROP VIEW window_')
    await root.query('DROP TABLE private')
  })

  test('nothing of ours is in sight', async () => {
    const fresh = await connect(ana, 'postgres')
    const { rows } = await fresh.query(
      `SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`,
    )
    expect(rows).toEqual([{ nspname: 'public' }])
    const objects = await fresh.query(
      `SELECT objid FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass
         AND refobjid = 'public'::regnamespace`,
    )
    expect(objects.rows).toEqual([])
    // pg_dump leaves out members of extensions, and extensions that initdb made (oid below 16384).
    const members = await fresh.query(
      `SELECT pg_describe_object(classid, objid, 0) AS what FROM pg_depend
       WHERE deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension
                                           WHERE extname = 'plpgsql' AND oid < 16384)
         AND objid >= 16384 ORDER BY 1`,
    )
    expect(members.rows).toEqual([
      { what: 'event trigger lakelet_adopt_database' },
      { what: 'event trigger lakelet_share_ownership' },
      { what: 'function lakelet_share_ownership()' },
    ])
  })

  test('a member cannot switch it off, change it or call it', async () => {
    for (const statement of [
      'SET session_replication_role = replica',
      'SET event_triggers = off',
      'ALTER EVENT TRIGGER lakelet_share_ownership DISABLE',
      'ALTER EVENT TRIGGER lakelet_share_ownership OWNER TO CURRENT_USER',
      'DROP EVENT TRIGGER lakelet_adopt_database',
      'CREATE EVENT TRIGGER other ON ddl_command_end EXECUTE FUNCTION lakelet_share_ownership()',
      'DROP FUNCTION pg_catalog.lakelet_share_ownership() CASCADE',
      'ALTER FUNCTION pg_catalog.lakelet_share_ownership() SECURITY INVOKER',
      'CREATE OR REPLACE FUNCTION pg_catalog.lakelet_share_ownership() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$',
      'ALTER EXTENSION plpgsql DROP EVENT TRIGGER lakelet_share_ownership',
      'DROP EXTENSION plpgsql CASCADE',
      'SELECT lakelet_share_ownership()',
      'DROP DATABASE postgres',
      'ALTER DATABASE template1 RENAME TO t1',
    ]) {
      await expect(b.query(statement), statement).rejects.toThrow()
    }
    await b.query("SET session_preload_libraries = ''").catch(() => undefined)
    await b.query('CREATE TABLE still (); DROP TABLE still')
  })

  test('a member does not become superuser', async () => {
    for (const statement of [
      'SET ROLE cloud_admin',
      'SET SESSION AUTHORIZATION cloud_admin',
      'ALTER ROLE CURRENT_USER SUPERUSER',
      "ALTER ROLE cloud_admin PASSWORD 'x'",
      'CREATE ROLE evil SUPERUSER',
      'GRANT cloud_admin TO CURRENT_USER',
      'GRANT pg_execute_server_program TO CURRENT_USER',
      'GRANT pg_read_server_files TO databricks_owner',
      'GRANT pg_write_server_files TO CURRENT_USER',
      "COPY (SELECT 1) TO PROGRAM 'true'",
      "COPY pg_class TO '/tmp/x'",
      "SELECT pg_read_file('PG_VERSION')",
      "SELECT lo_import('/etc/passwd')",
      "ALTER SYSTEM SET shared_preload_libraries = 'x'",
      'CREATE EXTENSION file_fdw',
      "CREATE FUNCTION c() RETURNS int LANGUAGE c AS 'libc', 'system'",
      'CREATE FUNCTION i() RETURNS int LANGUAGE internal AS $$int4in$$',
      'UPDATE pg_authid SET rolsuper = true',
      'CREATE FUNCTION pg_catalog.format(text, name) RETURNS text LANGUAGE sql AS $$ SELECT 1::text $$',
      'ALTER TABLE pg_catalog.pg_class OWNER TO CURRENT_USER',
      'CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN END $$; ALTER FUNCTION e() OWNER TO cloud_admin',
    ]) {
      await expect(b.query(statement), statement).rejects.toThrow()
    }
  })

  test('the trigger function is not fooled by names and settings of the caller', async () => {
    const c = await connect(bo)
    await c.query('CREATE SCHEMA trap')
    await c.query(`
      CREATE TABLE public.loot (who text);
      GRANT INSERT ON public.loot TO PUBLIC;
      CREATE FUNCTION trap.spring() RETURNS bool LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.loot VALUES (current_user); RETURN false; END $$;
      CREATE FUNCTION trap.pg_has_role(oid, oid, text) RETURNS bool LANGUAGE sql AS $$ SELECT trap.spring() $$;
      CREATE FUNCTION trap.format(text, name) RETURNS text LANGUAGE sql AS $$ SELECT trap.spring()::text $$;
      CREATE FUNCTION trap.starts_with(text, text) RETURNS bool LANGUAGE sql AS $$ SELECT trap.spring() $$;
      CREATE FUNCTION trap.eq(oid, oid) RETURNS bool LANGUAGE sql AS $$ SELECT trap.spring() $$;
      CREATE OPERATOR trap.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = trap.eq);
      CREATE OPERATOR trap.<> (LEFTARG = oid, RIGHTARG = oid, FUNCTION = trap.eq);
      CREATE TABLE trap.pg_shdepend (); CREATE TABLE trap.pg_authid ()`)
    await c.query(`SET search_path = trap, public, pg_catalog; SET quote_all_identifiers = on;
      SET standard_conforming_strings = off; SET backslash_quote = on;
      SET check_function_bodies = off; SET row_security = off`)
    await c.query('CREATE TEMP TABLE pg_shdepend AS SELECT 1; CREATE TEMP TABLE pg_depend (x int)')
    await c.query(String.raw`CREATE TABLE public."back\'s OWNER TO x; --" (id pg_catalog.int4)`)
    await c.query('CREATE FUNCTION public."$body$"() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$')
    await c.end()
    open.splice(open.indexOf(c), 1)
    expect((await root.query('SELECT * FROM loot')).rows).toEqual([])
    expect(await personal()).toEqual([])
    await a.query(String.raw`DROP TABLE loot, "back\'s OWNER TO x; --"`)
    await a.query('DROP FUNCTION "$body$"(); DROP SCHEMA trap CASCADE')
  })

  test('a database made by SQL is shared with the first statement in it', async () => {
    for (const [name, rest] of [
      ['plain', ''],
      ['pristine', 'TEMPLATE template0'],
      ['Od"d', "TEMPLATE template0 LOCALE 'C'"],
    ] as const) {
      const quoted = pg.escapeIdentifier(name)
      await a.query(`CREATE DATABASE ${quoted} ${rest}`)
      const [one, two] = await Promise.all([connect(bo, name), connect(bo, name)])
      await Promise.all([
        one.query('CREATE TABLE first (id int)'),
        two.query('CREATE SCHEMA second CREATE TABLE t ()'),
      ])
      const other = await connect(ana, name)
      await other.query('ALTER TABLE first ADD COLUMN b int; DROP SCHEMA second CASCADE')
      await other.query(`ALTER DATABASE ${quoted} SET work_mem = '8MB'`)
      for (const client of [one, two, other]) {
        await client.end()
        open.splice(open.indexOf(client), 1)
      }
      await b.query(`DROP DATABASE ${quoted}`)
    }
  })

  test('a copy of a database belongs to everybody with all that is in it', async () => {
    await a.query('CREATE DATABASE origin')
    const inside = await connect(ana, 'origin')
    await inside.query('CREATE TABLE t (id int)')
    await inside.end()
    open.splice(open.indexOf(inside), 1)
    await a.query('CREATE DATABASE copied TEMPLATE origin')
    const other = await connect(bo, 'copied')
    await other.query('ALTER TABLE t ADD COLUMN b int; CREATE TABLE u ()')
    await other.end()
    open.splice(open.indexOf(other), 1)
    await b.query('DROP DATABASE copied')
    await b.query('DROP DATABASE origin')
  })

  test('a database of a role that is no member stays its own', async () => {
    await root.query('ALTER ROLE app CREATEDB')
    const app = await connect('app')
    await app.query('CREATE DATABASE apps')
    const inside = await connect('app', 'apps')
    await inside.query('CREATE TABLE t ()')
    const other = await connect(bo, 'apps')
    await expect(other.query('CREATE TABLE u ()')).rejects.toThrow('permission denied')
    await expect(b.query('DROP DATABASE apps')).rejects.toThrow('must be owner')
    for (const client of [inside, other]) {
      await client.end()
      open.splice(open.indexOf(client), 1)
    }
    await app.query('DROP DATABASE apps')
  })

  test('`postgres` can be used like any other database', async () => {
    const one = await connect(ana, 'postgres')
    const two = await connect(bo, 'postgres')
    await one.query('CREATE TABLE t (id serial); CREATE SCHEMA s; CREATE EXTENSION citext')
    await two.query(
      'ALTER TABLE t ADD COLUMN b int; DROP TABLE t; DROP SCHEMA s; DROP EXTENSION citext',
    )
  })

  test('the maker’s role can be dropped, and what it made stays', async () => {
    await roles.ensureManager(cluster.socketDirectory, { loginName: 'gone', kind: 'USER' })
    const gone = await connect('gone')
    await gone.query('CREATE TABLE legacy (id serial); CREATE EXTENSION pg_trgm')
    await gone.end()
    open.splice(open.indexOf(gone), 1)
    await root.query('DROP ROLE gone')
    await b.query('ALTER TABLE legacy ADD COLUMN b int; DROP EXTENSION pg_trgm; DROP TABLE legacy')
  })

  test('physical copies keep it all', async () => {
    await a.query('CREATE TABLE inherited (id serial PRIMARY KEY)')
    await Promise.all(open.map((client) => client.end()))
    open.splice(0)
    const fork = await postgres.fork(cluster)
    await roles.ensureManager(fork.socketDirectory, { loginName: 'new@x.example', kind: 'USER' })
    const client = new pg.Client({
      host: fork.socketDirectory,
      user: 'new@x.example',
      database: 'databricks_postgres',
    })
    await client.connect()
    open.push(client)
    await client.query('ALTER TABLE inherited ADD COLUMN b int; DROP TABLE inherited')
    await client.query('CREATE TABLE here ()')
  })
})
