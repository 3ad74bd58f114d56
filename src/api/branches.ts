/** Branches. */
import { z } from 'zod'
import type { Actions, BranchSpec, CreateBranch } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import type { MaskFields } from '../domain/field-mask.ts'
import {
  parseBranchId,
  parseBranchName,
  parseSnapshotId,
  parseSnapshotName,
} from '../domain/names.ts'
import { readExpiration } from '../domain/read-expiration.ts'
import { base } from './base-path.ts'
import { defined, flag, logPosition, queryFlag, reference, timestamp } from './fields.ts'
import { deletedPageQuery, readPage, renderPage } from './page-query.ts'
import { ok, type Route, route } from './route.ts'

/** Of branches and snapshots. Read together, since what is said of one depends on all three. */
export const expirationFields = {
  ttl: z
    .unknown()
    .meta({ type: 'string', format: 'duration', examples: ['21600s'] })
    .optional(),
  expire_time: z.unknown().meta({ type: 'string', format: 'date-time' }).optional(),
  no_expiry: z.unknown().meta({ type: 'boolean' }).optional(),
} as const

const spec = z.object({ is_protected: flag.optional(), ...expirationFields })

const creation = z.object({
  spec: spec
    .extend({
      source_branch: reference('projects/app/branches/production').optional(),
      source_branch_lsn: logPosition.optional(),
      source_branch_time: timestamp.optional(),
      source_snapshot: reference('projects/app/snapshots/before-release').optional(),
    })
    .default({}),
})

const update = z.object({ spec: spec.default({}) })

export const branchMask: MaskFields = {
  leaves: ['spec.is_protected', 'spec.ttl', 'spec.expire_time', 'spec.no_expiry'],
  groups: { 'spec.expiration': ['spec.ttl', 'spec.expire_time', 'spec.no_expiry'] },
  immutable: [
    'spec.source_branch',
    'spec.source_branch_lsn',
    'spec.source_branch_time',
    'spec.source_snapshot',
  ],
  ignored: [],
}

const body = {
  wrapper: 'branch',
  // Never a field of the contract, but often sent for one.
  specAliases: { source_branch_id: 'source_branch' },
} as const

export const branchRoutes = (
  actions: Actions,
  { isStrict = false }: { readonly isStrict?: boolean } = {},
): readonly Route[] => [
  route({
    method: 'POST',
    path: `${base}/projects/{project}/branches`,
    summary: 'Create a branch',
    access: 'identity',
    query: z.object({
      branch_id: z.string().optional().transform(parseBranchId),
      replace_existing: queryFlag.optional(),
    }),
    body: { ...body, schema: creation },
    subject: ({ caller, params }) => actions.getProject(caller, params),
    handle: async ({ caller, params, query, body: { spec } }) =>
      ok(
        await actions.createBranch(caller, {
          project: params.project,
          branchId: query.branch_id,
          spec: { ...readSpec(spec, isStrict), ...readSource(spec) },
          replaceExisting: query.replace_existing ?? false,
        }),
      ),
  }),
  route({
    method: 'GET',
    path: `${base}/projects/{project}/branches`,
    summary: 'List branches',
    access: 'identity',
    query: deletedPageQuery,
    async handle({ caller, params, query }) {
      const page = { ...readPage(query), showDeleted: query.show_deleted ?? false }
      return ok(renderPage('branches', await actions.listBranches(caller, params, page)))
    },
  }),
  route({
    method: 'GET',
    path: `${base}/projects/{project}/branches/{branch}`,
    summary: 'Get a branch',
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getBranch(caller, params)),
  }),
  route({
    method: 'PATCH',
    path: `${base}/projects/{project}/branches/{branch}`,
    summary: 'Update a branch',
    access: 'identity',
    query: z.object({ update_mask: z.string().optional() }),
    body: { ...body, schema: update, mask: branchMask },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, body: { spec } }) =>
      ok(await actions.updateBranch(caller, params, readSpec(spec, isStrict))),
  }),
  route({
    method: 'DELETE',
    path: `${base}/projects/{project}/branches/{branch}`,
    summary: 'Delete a branch',
    access: 'identity',
    query: z.object({ purge: queryFlag.optional(), allow_missing: queryFlag.optional() }),
    handle: async ({ caller, params, query }) =>
      ok(
        await actions.deleteBranch(caller, params, {
          purge: query.purge ?? false,
          allowMissing: query.allow_missing ?? false,
        }),
      ),
  }),
  route({
    method: 'POST',
    path: `${base}/projects/{project}/branches/{branch}/undelete`,
    summary: 'Undelete a branch',
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.undeleteBranch(caller, params)),
  }),
]

const readSpec = (fields: z.output<typeof spec>, isStrict: boolean): BranchSpec =>
  defined({ isProtected: fields.is_protected, expiration: readExpiration(fields, { isStrict }) })

type SourceFields = z.output<typeof creation>['spec']

function readSource({
  source_branch: source,
  source_branch_lsn: sourceLsn,
  source_branch_time: sourceTime,
  source_snapshot: snapshot,
}: SourceFields): Pick<CreateBranch['spec'], 'source' | 'sourceLsn' | 'sourceTime' | 'snapshot'> {
  if (sourceLsn !== undefined && sourceTime !== undefined) throw new Fault('POINT_AMBIGUOUS')
  return defined({
    source: checkSource(source),
    sourceLsn,
    sourceTime,
    snapshot: checkSnapshot(snapshot),
  })
}

/** A full name, or a bare id of the same project; whether it is there, the action finds out. */
function checkSource(source: string | undefined): string | undefined {
  if (source === undefined || source === '') return undefined
  if (source.includes('/')) parseBranchName(source)
  else parseBranchId(source)
  return source
}

function checkSnapshot(snapshot: string | undefined): string | undefined {
  if (snapshot === undefined || snapshot === '') return undefined
  if (snapshot.includes('/')) parseSnapshotName(snapshot)
  else parseSnapshotId(snapshot)
  return snapshot
}
