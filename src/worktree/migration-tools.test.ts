/** Each tool, found by the files that its own first steps make; and what there is of its migrations. */
import { describe, expect, test } from 'vitest'
import {
  appliedQuery,
  chooseSetup,
  commandOf,
  findSetups,
  migrationTools,
  statusOf,
  tableOf,
} from './migration-tools.ts'
import type { Sources } from './sources.ts'

const project = (files: Readonly<Record<string, string>>): Sources => ({
  paths: Object.keys(files).sort(),
  read: (path) => files[path] ?? '',
})

const alembicRevision = (id: string, down: string) => `"""A message: revision = 'no'

Revises: x
"""
from typing import Sequence, Union

# revision = 'commented out'
revision: str = '${id}'
down_revision: Union[str, Sequence[str], None] = ${down}
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None
`
const djangoMigration = (dependencies: string, replaces = '') => `from django.db import migrations
class Migration(migrations.Migration):
    ${replaces}
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ${dependencies}
    ]
    operations = [migrations.AddField("order", "note", models.TextField(default=("a", "b")))]
`

interface Sample {
  readonly tool: keyof typeof migrationTools
  readonly files: Readonly<Record<string, string>>
  readonly base?: string
  readonly command: RegExp
  readonly pending: readonly string[]
  readonly table?: string
}

const samples: readonly Sample[] = [
  {
    tool: 'alembic',
    files: {
      'alembic.ini': '# script_location = no\n[alembic]\nscript_location = %(here)s/db\n',
      'db/env.py': 'revision = "no"',
      'db/versions/2.py': alembicRevision('ae10', "('1975', 'b7', )"),
      'db/versions/3.py': alembicRevision('b7', '"1975"'),
      'db/versions/1.py': alembicRevision('1975', 'None'),
      'db/versions/__init__.py': '',
    },
    command: /^alembic upgrade head$/,
    pending: ['1975', 'b7', 'ae10'],
  },
  {
    tool: 'alembic',
    files: {
      'api/pyproject.toml':
        '[project]\nname = "x"\n[tool.alembic]\nscript_location = "app:migrations"\n',
      'api/app/migrations/versions/1.py': alembicRevision('one', 'None'),
    },
    base: 'api',
    command: /^alembic upgrade head$/,
    pending: ['one'],
  },
  {
    tool: 'prisma',
    files: {
      'prisma/schema.prisma': 'datasource db {\n  provider = "postgresql"\n}',
      'prisma/migrations/migration_lock.toml': 'provider = "postgresql"\n',
      'prisma/migrations/20260102_more/migration.sql': '',
      'prisma/migrations/20260101_init/migration.sql': '',
    },
    command: /^prisma migrate deploy$/,
    pending: ['20260101_init', '20260102_more'],
  },
  {
    tool: 'drizzle',
    files: {
      'drizzle.config.ts': `export default defineConfig({ dialect: 'postgresql', out: './db/out',
        migrations: { table: 'journal', schema: 'meta' } })`,
      'db/out/meta/_journal.json': JSON.stringify({
        dialect: 'postgresql',
        entries: [
          { idx: 0, version: '7', when: 17, tag: '0000_a', breakpoints: true },
          { idx: 1, version: '7', when: 18, tag: '0001_b', breakpoints: true },
        ],
      }),
    },
    command: /^drizzle-kit migrate$/,
    pending: ['0000_a', '0001_b'],
    table: 'meta.journal',
  },
  {
    tool: 'drizzle',
    files: {
      'migrations/meta/_journal.json':
        '{"version":"7","dialect":"postgresql","entries":[{"idx":0,"when":5,"tag":"0000_a"}]}',
    },
    command: /^drizzle-kit migrate$/,
    pending: ['0000_a'],
  },
  {
    tool: 'knex',
    files: {
      'knexfile.ts': `export default { client: 'pg', migrations: { directory: './db/knex', tableName: 'done' } }`,
      'db/knex/20260101_a.ts': '',
      'db/knex/20260102_b.js': '',
      'db/knex/20260102_b.d.ts': '',
    },
    command: /^knex migrate:latest$/,
    pending: ['20260101_a', '20260102_b'],
    table: 'done',
  },
  {
    tool: 'node-pg-migrate',
    files: {
      'package.json':
        `{"scripts": {"migrate": "node-pg-migrate -m 'db/steps'"}, "dependencies": {"node-pg-migrate": "9.0.0"}}`.replaceAll(
          "'",
          '',
        ),
      'db/steps/1700000000000_a.js': '',
      'db/steps/1700000000001_b.up.sql': '',
      'db/steps/1700000000001_b.down.sql': '',
      'db/steps/readme.md': '',
    },
    command: /^node-pg-migrate up -m 'db\/steps'$/,
    pending: ['1700000000000_a', '1700000000001_b'],
  },
  {
    tool: 'flyway',
    files: {
      'flyway.toml': '[flyway]\nlocations = ["filesystem:db/all"]\n',
      'db/all/V10__c.sql': '',
      'db/all/V2__b.sql': '',
      'db/all/old/V1_1__a.sql': '',
      'db/all/R__views.sql': '',
    },
    command: /^FLYWAY_USER=.* flyway migrate$/,
    pending: ['V1_1__a', 'V2__b', 'V10__c'],
  },
  {
    tool: 'flyway',
    files: { 'src/main/resources/db/migration/V1__a.sql': '' },
    command: / flyway migrate$/,
    pending: ['V1__a'],
  },
  {
    tool: 'dbmate',
    files: { 'db/migrations/20260101000000_a.sql': '-- migrate:up\nselect 1;\n-- migrate:down\n' },
    command: /^dbmate --no-dump-schema --migrations-dir 'db\/migrations' migrate$/,
    pending: ['20260101000000_a'],
  },
  {
    tool: 'rails',
    files: {
      'bin/rails': '#!/usr/bin/env ruby\n',
      'config/application.rb': '',
      'db/migrate/20260101000000_create_orders.rb': '',
    },
    command: /^bin\/rails db:migrate$/,
    pending: ['20260101000000_create_orders'],
  },
  {
    tool: 'django',
    files: {
      'web/manage.py': 'from django.core.management import execute_from_command_line\n',
      'web/shop/migrations/__init__.py': '',
      'web/shop/migrations/0002_more.py': djangoMigration(
        '("shop", "0001_initial"), ("auth", "__first__")',
      ),
      'web/shop/migrations/0001_initial.py': djangoMigration('("auth", "0012_alter")'),
    },
    base: 'web',
    command: /^python3 manage\.py migrate --noinput$/,
    pending: ['shop.0001_initial', 'shop.0002_more'],
  },
  {
    tool: 'sqitch',
    files: {
      'sqitch.conf': '[core]\n\tengine = pg\n',
      'sqitch.plan': `%syntax-version=1.0.0
%project=flipr

appschema 2026-01-01T00:00:00Z A <a@example.com> # Adds all.
users [appschema] 2026-01-02T00:00:00Z A <a@example.com> # Users.
@v1 2026-01-03T00:00:00Z A <a@example.com> # A tag.
users [users@v1] 2026-01-04T00:00:00Z A <a@example.com> # Again.
`,
    },
    command: /^sqitch deploy --target db:pg:$/,
    pending: ['appschema', 'users', 'users#2'],
  },
  {
    tool: 'goose',
    files: {
      'migrations/00001_a.sql': '-- +goose Up\nselect 1;\n',
      'migrations/00002_b.go': '',
    },
    command: /^GOOSE_DRIVER=postgres GOOSE_DBSTRING="\$DATABASE_URL" goose -dir 'migrations' up$/,
    pending: ['00001_a', '00002_b'],
  },
  {
    tool: 'atlas',
    files: { 'migrations/atlas.sum': 'h1:x=\n', 'migrations/20260101000000_a.sql': '' },
    command: /^atlas migrate apply --dir file:\/\/'migrations' --url "postgres:\/\/\/\$PGDATABASE/,
    pending: ['20260101000000_a'],
  },
]

test('there is a sample of every tool', () => {
  expect([...new Set(samples.map(({ tool }) => tool))].sort()).toEqual(
    Object.keys(migrationTools).sort(),
  )
})

describe.each(samples)('$tool', ({ tool, files, base = '.', command, pending, table }) => {
  test(`is found, with its migrations: ${Object.keys(files)[0]}`, () => {
    const sources = project(files)
    const setups = findSetups(sources)
    expect(setups).toEqual([expect.objectContaining({ tool, base })])
    const [setup] = setups
    if (setup === undefined) return
    expect(commandOf(setup)).toMatch(command)
    const args = commandOf(setup).replace(/^([A-Z_]+=("[^"]*"|\S+) )*/, '')
    expect(args).not.toMatch(/DATABASE_URL|PGPASSWORD/)
    expect(statusOf(sources, setup, [])).toMatchObject({ pending, ahead: [], heads: [] })
    expect(tableOf(setup)).toBe(table ?? migrationTools[tool].table)
    expect(appliedQuery(setup, '"the"."table"')).toContain('"the"."table"')
  })
})

test('nothing is found where there is none, or for another database', () => {
  const others = project({
    'package.json': '{"dependencies": {"pg": "8"}}',
    'manage.py': 'print("hello")',
    'pyproject.toml': '[project]',
    'prisma/migrations/migration_lock.toml': 'provider = "sqlite"',
    'drizzle.config.ts': "export default { dialect: 'mysql' }",
    'sqitch.plan': '%project=x',
    'sqitch.conf': 'engine = mysql',
    'sql/001_plain.sql': 'select 1',
    'bin/rails': '',
  })
  expect(findSetups(others)).toEqual([])
})

test('the nearest counts; of several the one that the line of lakelet.toml names', () => {
  const sources = project({
    'alembic.ini': '',
    'knexfile.js': '',
    'examples/one/alembic.ini': '',
    'test/sqitch.plan': '',
  })
  const setups = findSetups(sources)
  expect(setups.map(({ tool }) => tool)).toEqual(['alembic', 'knex'])
  expect(chooseSetup(setups, undefined)).toBeUndefined()
  expect(chooseSetup(setups, 'make migrate')).toBeUndefined()
  expect(chooseSetup(setups, 'npx knex migrate:latest')).toMatchObject({ tool: 'knex' })
  expect(chooseSetup(setups.slice(0, 1), 'make migrate')).toMatchObject({ tool: 'alembic' })
  const apps = findSetups(
    project({ 'a/alembic.ini': '', 'b/alembic.ini': '', 'c/d/knexfile.js': '' }),
  )
  expect(apps.map(({ base }) => base)).toEqual(['a', 'b'])
})

test('two branches of Django and of Alembic that nobody merged are told', () => {
  const django = project({
    'manage.py': 'django',
    'shop/migrations/0001.py': djangoMigration(''),
    'shop/migrations/0002_a.py': djangoMigration("('shop', '0001')"),
    'shop/migrations/0002_b.py': djangoMigration("('shop', '0001')"),
  })
  const [setup] = findSetups(django)
  if (setup === undefined) throw new Error('not found')
  expect(statusOf(django, setup, []).heads).toEqual([['shop.0002_a', 'shop.0002_b']])
})
