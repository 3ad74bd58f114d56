/** Tools whose migrations are files of SQL for whatever the program is written in, and Rails, which counts as they do. */
import { posix } from 'node:path'
import {
  aboveMigrations,
  below,
  inside,
  type MigrationTool,
  marked,
  matching,
  numbered,
  quoted,
  withoutZeros,
} from './migration-tool.ts'

export const flyway: MigrationTool = {
  program: 'flyway',
  command: (place) =>
    [
      'FLYWAY_USER="$PGUSER" FLYWAY_PASSWORD="$PGPASSWORD"',
      `FLYWAY_URL="jdbc:postgresql://$PGHOST:$PGPORT/$PGDATABASE?sslmode=$PGSSLMODE\${PGSSLROOTCERT:+&sslrootcert=$PGSSLROOTCERT}"`,
      // Without a file of its own it would look elsewhere.
      ...(place.evidence.endsWith('.sql') ? [`FLYWAY_LOCATIONS=filesystem:${quoted(place)}`] : []),
      'flyway migrate',
    ].join(' '),
  find(files) {
    const configured = matching(files, /(?:conf\/)?flyway\.(?:conf|toml)/).map(({ path, base }) => {
      const text = files.read(path)
      const said = /^\s*(?:flyway\.)?locations\s*=.*?(filesystem|classpath):([^\s",\]]+)/m.exec(
        text,
      )
      const root = said?.[1] === 'classpath' ? 'src/main/resources' : '.'
      const folder = said?.[2] === undefined ? 'sql' : posix.join(root, said[2])
      return { evidence: path, base, folder: inside(base, folder) }
    })
    const usual = matching(
      files,
      /(?:src\/main\/resources\/)?(db\/migration)\/V\d[^/]*__[^/]*\.sql/,
    )
    const folders = new Map(usual.map(({ path, base }) => [posix.dirname(path), { path, base }]))
    return [
      ...configured,
      ...[...folders]
        .filter(([, { base }]) => !configured.some((one) => one.base === base))
        .map(([folder, { path, base }]) => ({ evidence: path, base, folder })),
    ]
  },
  steps: (files, { folder }) =>
    below(files, folder, /^(?:.*\/)?(V(\d[\d._]*)__.*)\.sql$/)
      .map(([, name = '', version = '']) => ({ id: versionOf(version), name }))
      .sort((one, other) => inVersions(one.id, other.id)),
  table: 'flyway_schema_history',
  applied: (table) =>
    `SELECT regexp_replace(version, '(\\.0+)+$', '') AS id, NOT success AS is_failed, type = 'BASELINE' AS is_baseline
     FROM ${table} WHERE version IS NOT NULL AND type NOT IN ('SCHEMA', 'DELETE')`,
}

/** Flyway's own: `1_1`, `1.1` and `01.1.0` are one. */
const versionOf = (text: string): string =>
  text
    .split(/[._]/)
    .map((part) => String(BigInt(part || '0')))
    .join('.')
    .replace(/(\.0)+$/, '')

const { compare: inVersions } = new Intl.Collator('en', { numeric: true })

export const dbmate: MigrationTool = {
  program: 'dbmate',
  command: (place) => `dbmate --no-dump-schema --migrations-dir ${quoted(place)} migrate`,
  find: (files) => marked(files, /^-- migrate:up/m),
  steps: numbered('sql'),
  table: 'schema_migrations',
  applied: (table) => `SELECT ${withoutZeros('version')} AS id FROM ${table}`,
}

export const rails: MigrationTool = {
  program: 'ruby',
  command: () => 'bin/rails db:migrate',
  find: (files) =>
    matching(files, /bin\/rails/)
      .filter(({ base }) => files.paths.includes(inside(base, 'config/application.rb')))
      .map(({ path, base }) => ({ evidence: path, base, folder: inside(base, 'db/migrate') })),
  steps: numbered('rb'),
  table: 'schema_migrations',
  applied: (table) => `SELECT ${withoutZeros('version')} AS id FROM ${table}`,
}

export const sqitch: MigrationTool = {
  program: 'sqitch',
  command: () => 'sqitch deploy --target db:pg:', // libpq's variables say the rest
  find: (files) =>
    matching(files, /sqitch\.plan/)
      .filter(({ base }) => !/engine\s*=\s*(?!pg)\w/.test(files.read(inside(base, 'sqitch.conf'))))
      .map(({ path, base }) => ({ evidence: path, base, folder: base })),
  steps(files, { evidence }) {
    const lines = files.read(evidence).split('\n')
    const project = lines.flatMap((line) => /^%project=(\S+)/.exec(line)?.[1] ?? [])[0] ?? ''
    const times = new Map<string, number>()
    return lines.flatMap((line) => {
      const change = /^\s*\+?\s*([^\s%@#+-][^\s[]*)\s/.exec(`${line} `)?.[1]
      if (change === undefined) return []
      // A change that was reworked is in the plan again, by the same name.
      const time = (times.get(change) ?? 0) + 1
      times.set(change, time)
      const name = time === 1 ? change : `${change}#${time}`
      return [{ id: `${project}:${name}`, name }]
    })
  },
  table: 'sqitch.changes',
  applied: (table) =>
    `SELECT project || ':' || change || CASE WHEN n = 1 THEN '' ELSE '#' || n END AS id
     FROM (SELECT *, row_number() OVER (PARTITION BY project, change ORDER BY committed_at) AS n FROM ${table}) AS changes`,
  counting: { historyOf: (id) => id.split(':')[0] ?? '' },
}

export const goose: MigrationTool = {
  program: 'goose',
  command: (place) =>
    `GOOSE_DRIVER=postgres GOOSE_DBSTRING="$DATABASE_URL" goose -dir ${quoted(place)} up`,
  find: (files) => marked(files, /^-- \+goose up/im),
  steps: numbered('sql|go'),
  table: 'goose_db_version',
  // A migration that was taken back has a later row that says so.
  applied: (table) =>
    `SELECT version_id::text AS id
     FROM (SELECT DISTINCT ON (version_id) * FROM ${table} ORDER BY version_id, id DESC) AS last
     WHERE is_applied AND version_id > 0`,
}

export const atlas: MigrationTool = {
  program: 'atlas',
  command: (place) =>
    `atlas migrate apply --dir file://${quoted(place)} --url "postgres:///$PGDATABASE?sslmode=$PGSSLMODE"`,
  find: (files) =>
    matching(files, /atlas\.sum/).map(({ path, base }) => ({
      evidence: path,
      base: aboveMigrations(base),
      folder: base,
    })),
  steps: numbered('sql'),
  table: 'atlas_schema_revisions.atlas_schema_revisions',
  applied: (table) =>
    `SELECT ${withoutZeros('version')} AS id, applied < total OR coalesce(error, '') <> '' AS is_failed, type & 1 = 1 AS is_baseline
     FROM ${table} WHERE version ~ '^[0-9]+$'`, // it keeps a row about itself, too
}
