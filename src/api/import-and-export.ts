/** Branches filled from another Postgres, and branches as files that another Postgres starts from. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { parseBranchId } from '../domain/names.ts'
import { readExpiration } from '../domain/read-expiration.ts'
import { Secret } from '../lib/secret.ts'
import { base } from './base-path.ts'
import { branchOperation } from './branch-resource.ts'
import { expirationFields } from './branches.ts'
import { defined, flag, line, newId, sqlName } from './fields.ts'
import { ok, type Route, route } from './route.ts'

const project = `${base}/projects/{project}` as const

/** What an export is sent as. */
export const archiveType = 'application/x-tar'

const creation = z
  .object({
    spec: z
      .object({
        source: line(1, 4096).describe(
          'Where to read: `postgres://user:password@host:port/database`, as the server reaches it. The directory of a Unix socket as host, percent-encoded, is for administrators. Kept sealed until the import is over, and never shown.',
        ),
        schema_only: flag.optional().describe('No rows.'),
        database: sqlName('shop')
          .optional()
          .describe('What the database is called in the branch. Default: as in the source.'),
        ...expirationFields,
      })
      .meta({ writeOnly: true }),
  })
  .meta({ id: 'BranchImport' })

export const importAndExportRoutes = (
  actions: Actions,
  { isStrict = false }: { readonly isStrict?: boolean } = {},
): readonly Route[] => [
  route({
    method: 'POST',
    path: `${project}/import-branch`,
    summary: 'Import a branch',
    description:
      "Makes a root branch of the project and fills it with one database of another Postgres of the same or an older version, by pg_dump and pg_restore. The branch is `IMPORTING` until the operation is done; how far it is, the operation's metadata tell. Everything belongs to the branch's shared owner. Without one of `ttl`, `expire_time` and `no_expiry: true` it does not end.",
    operationId: 'importBranch',
    tag: 'Branches',
    reply: { 200: branchOperation },
    refusals: [
      'BRANCH_EXISTS',
      'EXPIRATION_AMBIGUOUS',
      'EXPIRATION_INVALID',
      'EXPIRATION_TOO_FAR',
      'ADMINISTRATORS_ONLY',
      'SOURCE_UNREADABLE',
      'SOURCE_REFUSED',
      'SOURCE_TOO_NEW',
      'TOOL_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'LIMIT_REACHED',
      'STORAGE_FULL',
      'STORAGE_NEARLY_FULL',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    query: z.object({ branch_id: newId('branch', 'imported', parseBranchId) }),
    body: {
      schema: creation,
      example: { spec: { source: 'postgres://reader:secret@db.example.com/shop' } },
    },
    subject: ({ caller, params }) => actions.getProject(caller, params),
    handle: async ({ caller, params, query, body: { spec } }) => {
      const expiration = readExpiration(spec, { isStrict })
      return ok(
        await actions.importBranch(caller, {
          project: params.project,
          branchId: query.branch_id,
          spec: {
            source: new Secret(spec.source),
            schemaOnly: spec.schema_only ?? false,
            ...defined({ database: spec.database, expiration }),
          },
        }),
      )
    },
  }),
  route({
    method: 'POST',
    path: `${project}/branches/{branch}/export`,
    summary: 'Export a branch',
    description:
      'Answers with a tar of the branch as it is now: a data directory with its WAL, which plain Postgres of the same major starts from. It holds everything that is in the branch, the verifiers of role passwords included, and no key or token of the server. A connection that ends before the tar does has not sent all of it.',
    operationId: 'exportBranch',
    tag: 'Branches',
    reply: { 200: { kind: 'chunks', contentType: archiveType } },
    refusals: [
      'SOURCE_NOT_READY',
      'BRANCH_TOO_LARGE',
      'COMPUTE_FAILED',
      'STORAGE_FULL',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    async handle({ caller, params }) {
      const { fileName, chunks } = await actions.exportBranch(caller, params)
      return {
        status: 200,
        chunks,
        headers: {
          'content-type': archiveType,
          'content-disposition': `attachment; filename="${fileName}"`,
        },
      }
    },
  }),
]
