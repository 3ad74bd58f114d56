/** Alembic and Django. */
import { below, inside, type MigrationTool, matching } from './migration-tool.ts'
import { readAlembicRevision, readDjangoMigration } from './revision-files.ts'

export const alembic: MigrationTool = {
  program: 'alembic',
  command: () => 'alembic upgrade head',
  find: (files) =>
    [...matching(files, /alembic\.ini/), ...matching(files, /pyproject\.toml/)].flatMap(
      ({ path, base }) => {
        const text = files.read(path)
        if (path.endsWith('.toml') && !/^\[tool\.alembic\]/m.test(text)) return []
        const said = /^script_location\s*=\s*"?([^"\n]+?)"?\s*$/m.exec(text)?.[1] ?? 'alembic'
        const location = said.replace(/^%\(here\)s\/?/, '').replaceAll(':', '/')
        return [{ evidence: path, base, folder: inside(base, location || '.') }]
      },
    ),
  steps: (files, { folder }) =>
    below(files, folder, /^versions\/.*\.py$/).flatMap(
      ([path]) => readAlembicRevision(files.read(inside(folder, path))) ?? [],
    ),
  table: 'alembic_version',
  applied: (table) => `SELECT version_num AS id FROM ${table}`,
  counting: { isHeadsOnly: true },
}

export const django: MigrationTool = {
  program: 'python3',
  command: () => 'python3 manage.py migrate --noinput',
  find: (files) =>
    matching(files, /manage\.py/)
      .filter(({ path }) => /django/.test(files.read(path)))
      .map(({ path, base }) => ({ evidence: path, base, folder: base })),
  steps: (files, { folder }) =>
    below(files, folder, /^(?:.*\/)?([^/]+)\/migrations\/([^/_][^/]*)\.py$/).map(
      ([path, app = '', name = '']) =>
        readDjangoMigration(app, name, files.read(inside(folder, path))),
    ),
  table: 'django_migrations',
  applied: (table) => `SELECT app || '.' || name AS id FROM ${table}`,
  counting: { historyOf: (id) => id.split('.')[0] ?? '' },
}
