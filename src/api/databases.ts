/** Databases of a branch. */
import { z } from 'zod'
import type { Actions, DatabaseSpec } from '../actions/actions.ts'
import type { MaskFields } from '../domain/field-mask.ts'
import { parseDatabaseId } from '../domain/names.ts'
import { base } from './base-path.ts'
import { databaseOperation, databasePage, databaseResource } from './database-resource.ts'
import { defined, maskQuery, newChildId, queryFlag, reference, sqlName } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { ok, type Route, route } from './route.ts'

const spec = z
  .object({
    postgres_database: sqlName('app_db').optional().describe('Its name in Postgres.'),
    role: reference('projects/app/branches/dev/roles/jane-doe')
      .optional()
      .describe('Who owns it: a role of the same branch.'),
  })
  .default({})
  .meta({ writeOnly: true })

const creation = z.object({ spec }).meta({ id: 'DatabaseCreate' })
const update = z.object({ spec }).meta({ id: 'DatabaseUpdate' })

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
    description: 'With `replace_existing` the owner may be left out, and stays.',
    operationId: 'createDatabase',
    tag: 'Databases',
    reply: { 200: databaseOperation },
    refusals: [
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
      'CHILD_ID_INVALID',
      'DATABASE_EXISTS',
      'ROLE_REFERENCE_NOT_FOUND',
      'ROLE_OTHER_BRANCH',
      'NAME_INVALID',
      'LIMIT_REACHED',
    ],
    access: 'identity',
    query: z.object({
      database_id: newChildId('database', 'shop', parseDatabaseId),
      replace_existing: queryFlag
        .optional()
        .describe('Update the database of this id, if there is one.'),
    }),
    body: {
      schema: creation,
      wrapper: 'database',
      example: {
        spec: { postgres_database: 'shop', role: 'projects/app/branches/dev/roles/jane-doe' },
      },
    },
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
    description:
      'A compute that sleeps is woken: databases are in the Postgres of the branch. What SQL made is among them.',
    operationId: 'listDatabases',
    tag: 'Databases',
    reply: { 200: databasePage },
    refusals: [
      'PAGE_TOKEN_UNKNOWN',
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    query: pageQuery,
    handle: async ({ caller, params, query }) =>
      ok(renderPage('databases', await actions.listDatabases(caller, params, readPage(query)))),
  }),
  route({
    method: 'GET',
    path: one,
    summary: 'Get a database',
    operationId: 'getDatabase',
    tag: 'Databases',
    reply: { 200: databaseResource },
    refusals: [
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getDatabase(caller, params)),
  }),
  route({
    method: 'PATCH',
    path: one,
    summary: 'Update a database',
    description: 'A rename ends the sessions of the database.',
    operationId: 'updateDatabase',
    tag: 'Databases',
    reply: { 200: databaseOperation },
    refusals: [
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
      'DATABASE_EXISTS',
      'ROLE_REFERENCE_NOT_FOUND',
      'ROLE_OTHER_BRANCH',
      'NAME_INVALID',
    ],
    access: 'identity',
    query: maskQuery,
    body: {
      schema: update,
      wrapper: 'database',
      mask: databaseMask,
      example: { spec: { postgres_database: 'store' } },
    },
    subject: ({ caller, params }) => actions.getDatabase(caller, params),
    handle: async ({ caller, params, body: { spec } }) =>
      ok(await actions.updateDatabase(caller, params, readSpec(spec))),
  }),
  route({
    method: 'DELETE',
    path: one,
    summary: 'Delete a database',
    description: 'Its sessions end.',
    operationId: 'deleteDatabase',
    tag: 'Databases',
    reply: { 200: databaseOperation },
    refusals: [
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.deleteDatabase(caller, params)),
  }),
]

const readSpec = (spec: z.output<typeof creation>['spec']): DatabaseSpec =>
  defined({ postgresDatabase: spec.postgres_database, role: spec.role })
