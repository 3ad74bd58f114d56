/** pg_dump by one member, pg_restore by another: whole, owned by everybody, and without a trace of us. */
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { run } from '../../src/lib/subprocess.ts'
import { systemClock } from '../../src/lib/time.ts'
import { openRoles } from '../../src/roles/open-roles.ts'
import {
  installedMajors,
  type ThrowawayCluster,
  type ThrowawayPostgres,
  throwawayPostgres,
} from '../../src/roles/throwaway-cluster.fixture.ts'
import { isInstalled } from './installed-programs.ts'

const ana = 'ana@x.example'
const bo = 'bo@x.example'
// pg_dump refuses servers newer than itself, and Debian 12 has 15.
const canRun = installedMajors.includes(15) && (await isInstalled('pg_dump', / 15\./))

describe.skipIf(!canRun)('pg_dump and pg_restore', () => {
  const roles = openRoles({ clock: systemClock, log: createLog('test') })
  let postgres: ThrowawayPostgres
  let cluster: ThrowawayCluster
  let archive: string

  const program = (name: string, user: string, args: readonly string[]) =>
    run(name, ['-h', cluster.socketDirectory, '-U', user, ...args])
  const query = async (user: string, database: string, sql: string) => {
    const client = new pg.Client({ host: cluster.socketDirectory, user, database })
    await client.connect()
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows
    } finally {
      await client.end()
    }
  }
  const dumpText = (user: string, database: string) =>
    program('pg_dump', user, ['-d', database, '--no-comments']).then((text) =>
      text.replaceAll(/^\\(un)?restrict .*$/gm, ''),
    )
  const foreignOwners = (database: string) =>
    query(
      'cloud_admin',
      database,
      `SELECT pg_describe_object(classid, objid, 0) AS what, refobjid::regrole::text AS owner
       FROM pg_shdepend
       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND deptype = 'o' AND refobjid <> 'databricks_owner'::regrole
         AND classid <> 'pg_default_acl'::regclass`,
    )

  beforeAll(async () => {
    postgres = await throwawayPostgres(15)
    cluster = await postgres.create()
    await roles.prepareCluster(cluster.socketDirectory)
    for (const loginName of [ana, bo]) {
      await roles.ensureManager(cluster.socketDirectory, { loginName, kind: 'USER' })
    }
    await program('psql', ana, [
      ...['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'databricks_postgres'],
      ...['-f', join(import.meta.dirname, 'rich-schema.sql')],
    ])
    archive = join(cluster.socketDirectory, 'dump')
    await program('pg_dump', ana, ['-d', 'databricks_postgres', '-Fc', '-f', archive])
  })
  afterAll(async () => {
    await postgres?.remove()
  })

  test('a dump of a database shows nothing of ours', async () => {
    for (const database of ['databricks_postgres', 'postgres']) {
      const text = await dumpText(bo, database)
      expect(text).not.toMatch(/lakelet|EVENT TRIGGER|cloud_admin|plpgsql;/i)
    }
    await query(ana, 'postgres', 'CREATE DATABASE empty')
    const text = await dumpText(ana, 'empty')
    expect(text.split('\n').filter((line) => /^(CREATE|ALTER|GRANT|REVOKE)/.test(line))).toEqual([])
  })

  test.each([
    ['as it is', []],
    ['without owners', ['--no-owner']],
  ] as const)('another member restores it, %s, and once more over it', async (name, options) => {
    const database = `restored ${name}`
    await query(bo, 'postgres', `CREATE DATABASE "${database}"`)
    const to = ['-d', database, '--exit-on-error', ...options, archive]
    await program('pg_restore', bo, to)
    expect(await foreignOwners(database)).toEqual([])
    const once = await dumpText(ana, database)
    if (options.length === 0) expect(once).toBe(await dumpText(ana, 'databricks_postgres'))

    await program('pg_restore', ana, ['--clean', '--if-exists', ...to])
    expect(await foreignOwners(database)).toEqual([])
    await program('pg_restore', bo, ['--clean', '--if-exists', '--single-transaction', ...to])
    expect(await query(bo, database, 'SELECT name FROM products ORDER BY id')).toEqual([
      { name: 'tea' },
      { name: 'milk' },
    ])
    await query(ana, database, 'ALTER TABLE products ADD COLUMN more int; DROP SCHEMA app CASCADE')
  })

  test('--create makes a database that is shared as well', async () => {
    await query(ana, 'postgres', 'CREATE DATABASE moved')
    await query(ana, 'moved', 'CREATE TABLE t (id serial)')
    const file = join(cluster.socketDirectory, 'moved')
    await program('pg_dump', ana, ['-d', 'moved', '-Fc', '-C', '-f', file])
    await roles.adoptDatabases(cluster.socketDirectory)
    await query(bo, 'postgres', 'DROP DATABASE moved')
    await program('pg_restore', bo, ['-d', 'postgres', '--create', '--exit-on-error', file])
    await query(bo, 'moved', 'CREATE TABLE u (id int)')
    await query(ana, 'moved', 'ALTER TABLE t ADD COLUMN b int; DROP TABLE u')
  })

  test('a dump of everything by parallel workers restores by parallel workers', async () => {
    const directory = join(cluster.socketDirectory, 'parallel')
    await program('pg_dump', bo, ['-d', 'databricks_postgres', '-Fd', '-j', '2', '-f', directory])
    await query(ana, 'postgres', 'CREATE DATABASE parallel')
    await program('pg_restore', ana, ['-d', 'parallel', '-j', '2', '--exit-on-error', directory])
    expect(await foreignOwners('parallel')).toEqual([])
  })
})
