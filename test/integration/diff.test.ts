/** `lakelet diff` of real branches: every kind of thing, rows by key and without, and what cannot be counted. */
import { spawnSync } from 'node:child_process'
import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeRepository, program, type Repository } from '../fixtures/git-repository.ts'
import { migraModules } from '../fixtures/migra.ts'
import { TestServer } from '../fixtures/server.ts'

const production = 'projects/store/branches/production'
const demo = 'projects/store/branches/demo'

let server: TestServer
let repository: Repository

beforeAll(async () => {
  server = await TestServer.start()
  repository = makeRepository(server)
  await server.sql(
    production,
    `CREATE TYPE mood AS ENUM ('low', 'high');
     CREATE DOMAIN price AS numeric CHECK (VALUE >= 0);
     CREATE TYPE pair AS (a int, b text);
     CREATE SEQUENCE counter;
     CREATE TABLE tea (id int PRIMARY KEY, name varchar(40), cost price, feels mood, at timestamptz DEFAULT '2026-01-01Z');
     CREATE INDEX tea_name ON tea (name);
     CREATE TABLE log (line text);
     CREATE TABLE same (a int, b int, PRIMARY KEY (a, b));
     CREATE TABLE dropped (id int);
     CREATE TABLE "Odd.name" (id int PRIMARY KEY, "the ""value" int);
     CREATE VIEW names AS SELECT name FROM tea;
     CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
     CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
     CREATE TRIGGER keep BEFORE INSERT ON tea FOR EACH ROW EXECUTE FUNCTION keep();
     ALTER TABLE log ENABLE ROW LEVEL SECURITY;
     CREATE POLICY mine ON log FOR SELECT USING (line <> '');
     INSERT INTO tea SELECT n, 'tea ' || n, n, 'low' FROM generate_series(1, 5000) AS n;
     INSERT INTO log SELECT 'line' FROM generate_series(1, 10);
     INSERT INTO same SELECT n, n FROM generate_series(1, 100) AS n;
     INSERT INTO dropped VALUES (1), (2);
     INSERT INTO "Odd.name" VALUES (1, 1)`,
  )
  await server.write('POST', 'projects/store/branches?branch_id=demo', {
    spec: { source_branch: production, ttl: '1h' },
  })
}, 120_000)
afterAll(async () => {
  if (repository !== undefined) rmSync(repository.home, { recursive: true })
  await server?.dispose()
})

const lakelet = (directory: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: directory,
    encoding: 'utf8',
    env: repository.environment,
  })
  return { status, stdout, stderr }
}
const diff = (...args: string[]) => {
  const { stdout, stderr } = lakelet(
    repository.home,
    'diff',
    'production',
    'demo',
    '-o',
    'json',
    ...args,
  )
  expect(stdout, stderr).toMatch(/^\{/)
  return JSON.parse(stdout)
}

describe('lakelet diff', () => {
  test('of a branch that nobody changed says nothing', () => {
    expect(diff()).toEqual({ from: production, to: demo, schema: [], rows: [] })
    const same = lakelet(repository.home, 'diff', 'production', 'demo', '--exit-code')
    expect(same).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/Schema and rows are the same/),
    })
  })

  test('finds a change of each kind, and counts the rows', async () => {
    await server.sql(demo, `ALTER TYPE mood ADD VALUE 'mid' AFTER 'low'`)
    await server.sql(
      demo,
      `CREATE SCHEMA extra;
       CREATE EXTENSION IF NOT EXISTS pgcrypto;
       ALTER DOMAIN price SET DEFAULT 1;
       ALTER TYPE pair ADD ATTRIBUTE c int;
       ALTER SEQUENCE counter INCREMENT 5;
       DROP VIEW names;
       ALTER TABLE tea ALTER COLUMN name TYPE text, ADD COLUMN note text, ADD CHECK (id > 0);
       CREATE VIEW names AS SELECT name, id FROM tea;
       DROP INDEX tea_name;
       CREATE TABLE extra.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
       DROP TABLE dropped;
       CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n + n';
       ALTER TABLE tea DISABLE TRIGGER keep;
       ALTER POLICY mine ON log USING (line <> 'x');
       DELETE FROM tea WHERE id <= 3;
       UPDATE tea SET cost = 0 WHERE id IN (10, 11);
       INSERT INTO tea (id) SELECT n FROM generate_series(5001, 5005) AS n;
       INSERT INTO log VALUES ('line'), ('another');
       UPDATE "Odd.name" SET "the ""value" = 2;
       INSERT INTO extra.orders DEFAULT VALUES`,
    )
    const { schema, rows } = diff()
    const seen = schema.map(
      ({ change, kind, name }: Readonly<Record<string, string>>) => `${change} ${kind} ${name}`,
    )
    expect(seen).toEqual([
      'added extension pgcrypto',
      'added schema extra',
      'changed type public.pair',
      'changed type public.price',
      'changed enum public.mood',
      'changed sequence public.counter',
      'added table extra.orders',
      'removed table public.dropped',
      'added column extra.orders.id',
      'removed column public.dropped.id',
      'changed column public.tea.name',
      'added column public.tea.note',
      'added constraint extra.orders.orders_pkey',
      'added constraint public.tea.tea_id_check',
      'removed index public.tea_name',
      'changed view public.names',
      'changed function public.twice(n integer)',
      'changed trigger public.tea.keep',
      'changed policy public.log.mine',
    ])
    expect(rows).toEqual([
      { table: 'extra.orders', added: 1, removed: 0, changed: 0 },
      {
        table: 'public."Odd.name"',
        added: 0,
        removed: 0,
        changed: 1,
      },
      { table: 'public.dropped', added: 0, removed: 2, changed: 0 },
      {
        table: 'public.log',
        added: 2,
        removed: 0,
        changed: 0,
        remark: 'no primary key: a changed row is one removed and one added',
      },
      {
        table: 'public.tea',
        added: 5,
        removed: 3,
        changed: 2,
        remark: 'by the columns that both have',
      },
    ])
    const text = lakelet(repository.home, 'diff', 'store/production', 'store/demo', '--exit-code')
    expect(text.status).toBe(1)
    expect(text.stdout).toMatch(/^store\/production → store\/demo\n\+ extension pgcrypto/)
    expect(text.stdout).toContain('~ column public.tea.name  type: character varying(40) → text')
    expect(text.stdout).toContain('  public.tea: 5 added, 2 changed, 3 removed (by the columns')
    const comment = lakelet(repository.home, 'diff', 'production', 'demo', '--markdown').stdout
    expect(comment).toMatch(
      /^<!-- lakelet diff projects\/store\/branches\/demo -->\n### Database changes/,
    )
    expect(comment).toContain('| public.tea | 5 | 2 | 3 |')
    expect(diff('--no-rows').rows).toBeUndefined()
  })

  test('says which table took too long, and counts the others', async () => {
    const large = (first: number) =>
      `CREATE TABLE large (id int PRIMARY KEY, text text);
       INSERT INTO large SELECT n, repeat('x', 100) FROM generate_series(${first}, 300000) AS n`
    await server.sql(production, large(1))
    await server.sql(demo, large(2))
    const of = (rows: readonly { readonly table: string }[], name: string) =>
      rows.find(({ table }) => table === name)
    const { rows } = diff('--patience', '100ms')
    expect(of(rows, 'public.large')).toEqual({
      table: 'public.large',
      remark: expect.stringMatching(/^takes longer than 0\.1 s$/),
    })
    expect(of(rows, 'public."Odd.name"')).toMatchObject({ changed: 1 })
    expect(of(diff().rows, 'public.large')).toMatchObject({ removed: 1, changed: 0, added: 0 })
    await server.sql(demo, 'UPDATE large SET text = id')
    expect(of(diff().rows, 'public.large')).toEqual({
      table: 'public.large',
      remark: 'at least 1024 rows: too many to compare one by one',
    })
  })

  test("takes the worktree's own branch and its source where none is named", () => {
    expect(lakelet(repository.path, 'dev').status).toBe(0)
    const own = lakelet(repository.path, 'diff', '-o', 'json')
    expect(JSON.parse(own.stdout)).toMatchObject({ from: production, schema: [], rows: [] })
    const other = JSON.parse(
      lakelet(repository.path, 'diff', 'demo', '--no-rows', '-o', 'json').stdout,
    )
    expect(other).toMatchObject({ from: demo })
    expect(other.schema.length).toBeGreaterThan(10)
  })

  test('prints SQL that was tried, and none that does not do it', async () => {
    const branch = async (id: string, source: string) => {
      await server.write('POST', `projects/store/branches?branch_id=${id}`, {
        spec: { source_branch: source, ttl: '1h' },
      })
      return `projects/store/branches/${id}`
    }
    const before = await branch('before', production)
    const after = await branch('after', before)
    await server.sql(
      after,
      `CREATE TABLE cups (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tea int REFERENCES tea);
       ALTER TABLE tea ADD COLUMN note text NOT NULL DEFAULT '';
       CREATE INDEX ON tea (note); DROP TABLE dropped`,
    )
    const sql = (...args: string[]) =>
      lakelet(repository.path, 'diff', 'store/before', 'store/after', '--sql', ...args)
    expect(sql().stderr).toMatch(/@pgkit\/migra, which is not installed\nHint: .*npm install/)
    symlinkSync(await migraModules(), join(repository.path, 'node_modules'))
    const made = sql()
    expect(made.stderr).toBe('')
    expect(made.stdout).toMatch(/create table "public"."cups"/i)
    await server.sql(before, made.stdout)
    expect(sql()).toEqual({ status: 0, stdout: '', stderr: '' })
    const left = lakelet(repository.path, 'diff', 'before', 'after', '--no-rows', '-o', 'json')
    expect(JSON.parse(left.stdout).schema).toEqual([])

    await server.sql(after, 'CREATE TYPE span AS RANGE (subtype = int)')
    const wrong = sql()
    expect(wrong).toMatchObject({ status: 1, stdout: '' })
    expect(wrong.stderr).toMatch(/Hint: See it all the same with --no-check/)
    expect(sql('--no-check').status).toBe(0)
    const { body } = await server.api(
      'GET',
      '/api/2.0/postgres/projects/store/branches?page_size=99',
    )
    const names = body.branches.map(({ name }: { readonly name: string }) => name)
    expect(names.filter((name: string) => name.includes('/diff-'))).toEqual([])
  }, 300_000)

  test('refuses what it cannot compare', () => {
    const refused = (...args: string[]) => {
      const { status, stderr } = lakelet(repository.home, 'diff', ...args)
      expect(status).toBe(1)
      return stderr
    }
    expect(refused()).toMatch(/is not in a git repository/)
    expect(refused('production', 'absent')).toMatch(/not found/)
    expect(refused('production', 'demo', '--patience', 'long')).toMatch(/--patience: "long" is not/)
    expect(refused('production', 'demo', '--database', 'absent')).toMatch(/absent/)
  })
})
