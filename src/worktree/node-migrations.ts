/** Prisma, Drizzle, Knex and node-pg-migrate. Their settings are programs: read here are the words that people write. */
import { posix } from 'node:path'
import { below, inside, type MigrationTool, matching, quoted } from './migration-tool.ts'

export const prisma: MigrationTool = {
  program: 'prisma',
  command: () => 'prisma migrate deploy',
  find: (files) =>
    matching(files, /migrations\/migration_lock\.toml/)
      .filter(({ path }) => /provider\s*=\s*"(?:postgres|cockroach)/.test(files.read(path)))
      .map(({ path, base }) => ({
        evidence: path,
        base: base.replace(/(^|\/)prisma(\/schema)?$/, '') || '.',
        folder: posix.dirname(path),
      })),
  steps: (files, { folder }) =>
    below(files, folder, /^([^/]+)\/migration\.sql$/).map(([, id = '']) => ({ id, name: id })),
  table: '_prisma_migrations',
  applied: (table) =>
    `SELECT migration_name AS id, finished_at IS NULL AS is_failed FROM ${table} WHERE rolled_back_at IS NULL`,
}

export const drizzle: MigrationTool = {
  program: 'drizzle-kit',
  command: () => 'drizzle-kit migrate',
  find(files) {
    const configured = matching(files, /drizzle\.config\.(?:ts|js|mjs|cjs|json)/).flatMap(
      ({ path, base }) => {
        const text = files.read(path)
        const dialect = /dialect['"]?\s*:\s*['"](\w+)/.exec(text)?.[1]
        if (dialect !== undefined && dialect !== 'postgresql') return []
        const out = /\bout['"]?\s*:\s*['"]([^'"]+)/.exec(text)?.[1] ?? 'drizzle'
        const schema = /migrations['"]?\s*:\s*\{[^}]*schema['"]?\s*:\s*['"](\w+)/.exec(text)?.[1]
        const table = /migrations['"]?\s*:\s*\{[^}]*table['"]?\s*:\s*['"](\w+)/.exec(text)?.[1]
        const isOther = schema !== undefined || table !== undefined
        return {
          evidence: path,
          base,
          folder: inside(base, out),
          ...(isOther
            ? { table: `${schema ?? 'drizzle'}.${table ?? '__drizzle_migrations'}` }
            : {}),
        }
      },
    )
    const journals = matching(files, /[^/]+\/meta\/_journal\.json/)
      .map(({ path, base }) => ({
        evidence: path,
        base,
        folder: posix.dirname(posix.dirname(path)),
      }))
      .filter(({ evidence, folder }) => {
        const isPostgres = /"dialect"\s*:\s*"(?:postgresql|pg)"/.test(files.read(evidence))
        return isPostgres && !configured.some((one) => one.folder === folder)
      })
    return [...configured, ...journals]
  },
  steps(files, { folder }) {
    const text = files.read(inside(folder, 'meta/_journal.json'))
    const entries = /\{[^{}]*"when"\s*:\s*(\d+)[^{}]*"tag"\s*:\s*"([^"]*)"[^{}]*\}/g
    return [...text.matchAll(entries)].map(([, id = '', name = '']) => ({ id, name }))
  },
  table: 'drizzle.__drizzle_migrations',
  applied: (table) => `SELECT created_at::text AS id FROM ${table}`,
}

export const knex: MigrationTool = {
  program: 'knex',
  command: () => 'knex migrate:latest',
  find: (files) =>
    matching(files, /knexfile\.(?:js|ts|cjs|mjs)/).map(({ path, base }) => {
      const own = /migrations['"]?\s*:\s*\{([^}]*)\}/.exec(files.read(path))?.[1] ?? ''
      const folder = /directory['"]?\s*:\s*['"]([^'"]+)/.exec(own)?.[1] ?? 'migrations'
      const table = /tableName['"]?\s*:\s*['"]([^'"]+)/.exec(own)?.[1]
      return {
        evidence: path,
        base,
        folder: inside(base, folder),
        ...(table === undefined ? {} : { table }),
      }
    }),
  steps: (files, { folder }) =>
    below(files, folder, /^([^/]+)\.[cm]?[jt]s$/)
      .filter(([path]) => !path.endsWith('.d.ts'))
      .map(([, id = '']) => ({ id, name: id })),
  table: 'knex_migrations',
  // TypeScript's that were compiled later are the same.
  applied: (table) => `SELECT regexp_replace(name, '\\.[cm]?[jt]s$', '') AS id FROM ${table}`,
}

export const nodePgMigrate: MigrationTool = {
  program: 'node-pg-migrate',
  command: (place) => `node-pg-migrate up -m ${quoted(place)}`,
  find: (files) =>
    matching(files, /package\.json/).flatMap(({ path, base }) => {
      const text = files.read(path)
      if (!/"node-pg-migrate"\s*:/.test(text)) return []
      const named = /node-pg-migrate[^"]*?\s(?:-m|--migrations-dir)[ =]([^\s"\\]+)/.exec(text)?.[1]
      return [{ evidence: path, base, folder: inside(base, named ?? 'migrations') }]
    }),
  steps: (files, { folder }) =>
    below(files, folder, /^(\d[^/]*?)(?:\.up)?\.(?:[cm]?[jt]s|sql)$/)
      .filter(([path]) => !/\.(?:d\.ts|down\.sql)$/.test(path))
      .map(([, id = '']) => ({ id, name: id })),
  table: 'pgmigrations',
  applied: (table) => `SELECT name AS id FROM ${table}`,
}
