/** Databases of a branch. */
import { z } from 'zod'
import type { Actions, DatabaseSpec } from '../actions/actions.ts'
import type { MaskFields } from '../domain/field-mask.ts'
import { parseDatabaseId } from '../domain/names.ts'
import { base } from './base-path.ts'
import { defined, queryFlag, reference, sqlName } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { ok, type Route, route } from './route.ts'

const body = z.object({
  spec: z
    .object({
      postgres_database: sqlName('app_db').optional(),
      role: reference('projects/app/branches/dev/roles/jane-doe').optional(),
    })
    .default({}),
})

export const databaseMask: MaskFields = {
  leaves: ['spec.postgres_database', 'spec.role'],
  groups: {},
  immutable: [],
  ignored: [],
}

const parent = `${base}/projects/{project}/branches/{branch}/databases` as const
const one = `${parent}/{database}` as const

export const databaseRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'POST',
    path: parent,
    summary: 'Create a database',
    access: 'identity',
    query: z.object({
      database_id: z
        .string()
        .optional()
        .transform((id) => (id === undefined || id === '' ? undefined : parseDatabaseId(id))),
      replace_existing: queryFlag.optional(),
    }),
    body: { schema: body, wrapper: 'database' },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, query, body: { spec } }) =>
      ok(
        await actions.createDatabase(caller, {
          branch: params,
          databaseId: query.database_id,
          spec: readSpec(spec),
          replaceExisting: query.replace_existing ?? false,
        }),
      ),
  }),
  route({
    method: 'GET',
    path: parent,
    summary: 'List databases',
    access: 'identity',
    query: pageQuery,
    handle: async ({ caller, params, query }) =>
      ok(renderPage('databases', await actions.listDatabases(caller, params, readPage(query)))),
  }),
  route({
    method: 'GET',
    path: one,
    summary: 'Get a database',
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getDatabase(caller, params)),
  }),
  route({
    method: 'PATCH',
    path: one,
    summary: 'Update a database',
    access: 'identity',
    query: z.object({ update_mask: z.string().optional() }),
    body: { schema: body, wrapper: 'database', mask: databaseMask },
    subject: ({ caller, params }) => actions.getDatabase(caller, params),
    handle: async ({ caller, params, body: { spec } }) =>
      ok(await actions.updateDatabase(caller, params, readSpec(spec))),
  }),
  route({
    method: 'DELETE',
    path: one,
    summary: 'Delete a database',
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.deleteDatabase(caller, params)),
  }),
]

const readSpec = (spec: z.output<typeof body>['spec']): DatabaseSpec =>
  defined({ postgresDatabase: spec.postgres_database, role: spec.role })
