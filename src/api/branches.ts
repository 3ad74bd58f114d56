/** Branches. */
import { z } from 'zod'
import type { Actions, BranchSpec, CreateBranch } from '../actions/actions.ts'
import { durabilities } from '../domain/branch.ts'
import { Fault, type Reason } from '../domain/faults.ts'
import type { MaskFields } from '../domain/field-mask.ts'
import {
  parseBranchId,
  parseBranchName,
  parseSnapshotId,
  parseSnapshotName,
} from '../domain/names.ts'
import type { PostgresMajor } from '../domain/project.ts'
import { readExpiration } from '../domain/read-expiration.ts'
import { days, millis } from '../lib/time.ts'
import { base } from './base-path.ts'
import { branchOperation, branchPage, branchResource } from './branch-resource.ts'
import {
  defined,
  duration,
  durationShape,
  flag,
  integer,
  logPosition,
  maskQuery,
  newId,
  preciseTimestamp,
  queryFlag,
  reference,
  word,
} from './fields.ts'
import { deletedPageQuery, readPage, renderPage } from './page-query.ts'
import { ok, type Route, route } from './route.ts'

/** Of branches and snapshots. Read together, since what is said of one depends on all three. */
export const expirationFields = {
  ttl: z
    .unknown()
    .meta({ ...durationShape, examples: ['21600s'] })
    .optional()
    .describe('It ends so long after its creation.'),
  expire_time: z
    .unknown()
    .meta({ type: 'string', format: 'date-time', examples: ['2030-01-31T12:00:00Z'] })
    .optional()
    .describe('It ends then.'),
  no_expiry: z.unknown().meta({ const: true }).optional().describe('It does not end.'),
} as const

const spec = z.object({
  is_protected: flag
    .optional()
    .describe(
      'It cannot be deleted; one branch of a project may be, unless the server allows more.',
    ),
  durability: word(durabilities)
    .optional()
    .describe(
      '`relaxed` turns synchronous_commit off, at once: quicker commits, of which a crash of the machine may cost the last moments. Default: `durable`, also for branches of a relaxed one.',
    ),
  sliding_ttl: duration(millis(0), days(365), '3600s')
    .optional()
    .describe(
      'Its end moves to so long after its last activity, never nearer, and at most as far ahead as branches may live. `"0s"`: not any more. Without an end it does nothing.',
    ),
  is_held_by_sessions: flag
    .optional()
    .describe('It does not end while somebody is connected, and within three minutes after.'),
  ...expirationFields,
})

const creation = z
  .object({
    spec: spec
      .extend({
        source_branch: reference('projects/app/branches/production')
          .optional()
          .describe('Where its data comes from. Default: the default branch of the project.'),
        source_branch_lsn: logPosition
          .optional()
          .describe('Of its history: what its log holds before this position.'),
        source_branch_time: preciseTimestamp
          .optional()
          .describe('Of its history: what was committed up to this moment.'),
        source_snapshot: reference('projects/app/snapshots/before-release')
          .optional()
          .describe('Where its data comes from in place of a source branch.'),
      })
      .default({})
      .meta({ writeOnly: true }),
  })
  .meta({ id: 'BranchCreate' })

const update = z
  .object({ spec: spec.default({}).meta({ writeOnly: true }) })
  .meta({ id: 'BranchUpdate' })

const upgrade = z
  .object({
    spec: z
      .object({
        pg_version: integer(15, 18).optional().describe('Required: a later major than it has.'),
        ...expirationFields,
      })
      .default({})
      .meta({ writeOnly: true }),
  })
  .meta({ id: 'BranchUpgrade' })

function requiredMajor(version: number | undefined): PostgresMajor {
  if (version === undefined) throw new Fault('FIELD_REQUIRED', { field: 'spec.pg_version' })
  return version as PostgresMajor // the schema knows no other
}

export const branchMask: MaskFields = {
  leaves: [
    'spec.is_protected',
    'spec.durability',
    'spec.sliding_ttl',
    'spec.is_held_by_sessions',
    'spec.ttl',
    'spec.expire_time',
    'spec.no_expiry',
  ],
  groups: { 'spec.expiration': ['spec.ttl', 'spec.expire_time', 'spec.no_expiry'] },
  immutable: [
    'spec.source_branch',
    'spec.source_branch_lsn',
    'spec.source_branch_time',
    'spec.source_snapshot',
  ],
  ignored: [],
}

/** Of the service, which knows no ends that move. */
const strictMask: MaskFields = {
  ...branchMask,
  leaves: branchMask.leaves.filter(
    (leaf) => leaf !== 'spec.sliding_ttl' && leaf !== 'spec.is_held_by_sessions',
  ),
}

const body = {
  wrapper: 'branch',
  // Never a field of the contract, but often sent for one.
  specAliases: { source_branch_id: 'source_branch' },
} as const

const expirationRefusals = [
  'EXPIRATION_AMBIGUOUS',
  'EXPIRATION_INVALID',
  'EXPIRATION_TOO_FAR',
  'BRANCH_MAY_NOT_EXPIRE',
] as const satisfies readonly Reason[]

export const branchRoutes = (
  actions: Actions,
  { isStrict = false }: { readonly isStrict?: boolean } = {},
): readonly Route[] => [
  route({
    method: 'POST',
    path: `${base}/projects/{project}/branches`,
    summary: 'Create a branch',
    description:
      'Exactly one of `ttl`, `expire_time` and `no_expiry: true` must be said. The branch begins with the data of its source, by default the default branch, and brings the endpoint `primary`.',
    operationId: 'createBranch',
    tag: 'Branches',
    reply: { 200: branchOperation },
    refusals: [
      'BRANCH_EXISTS',
      'ACTIVE_COMPUTES_LIMIT',
      'EXPIRATION_REQUIRED',
      ...expirationRefusals,
      'BRANCH_EXPIRES',
      'EXPIRING_BRANCH_HAS_CHILDREN',
      'FIELD_IMMUTABLE',
      'BRANCH_NOT_FOUND',
      'SOURCE_OTHER_PROJECT',
      'SOURCE_NOT_READY',
      'POINT_AMBIGUOUS',
      'POINT_IN_FUTURE',
      'POINT_OUTSIDE_HISTORY',
      'POINT_AFTER_END',
      'HISTORY_NOT_BEGUN',
      'SOURCE_AMBIGUOUS',
      'SNAPSHOT_NOT_FOUND',
      'SNAPSHOT_NOT_READY',
      'SNAPSHOT_OTHER_PROJECT',
      'PROTECTED_LIMIT',
      'BRANCH_TOO_LARGE',
      'LIMIT_REACHED',
      'STORAGE_FULL',
      'STORAGE_NEARLY_FULL',
      'BRANCH_DATA_MISSING',
      'SNAPSHOT_DATA_MISSING',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    query: z.object({
      branch_id: newId('branch', 'dev', parseBranchId),
      replace_existing: queryFlag
        .optional()
        .describe('Update the branch of this id, if there is one.'),
    }),
    body: { ...body, schema: creation, example: { spec: { ttl: '21600s' } } },
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
    operationId: 'listBranches',
    tag: 'Branches',
    reply: { 200: branchPage },
    refusals: ['PAGE_TOKEN_UNKNOWN'],
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
    operationId: 'getBranch',
    tag: 'Branches',
    reply: { 200: branchResource },
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getBranch(caller, params)),
  }),
  route({
    method: 'PATCH',
    path: `${base}/projects/{project}/branches/{branch}`,
    summary: 'Update a branch',
    operationId: 'updateBranch',
    tag: 'Branches',
    reply: { 200: branchOperation },
    refusals: [
      ...expirationRefusals,
      'BRANCH_EXPIRES',
      'EXPIRING_BRANCH_HAS_CHILDREN',
      'PROTECTED_LIMIT',
    ],
    access: 'identity',
    query: maskQuery,
    body: {
      ...body,
      schema: update,
      mask: isStrict ? strictMask : branchMask,
      example: { spec: { is_protected: true } },
    },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, body: { spec } }) =>
      ok(await actions.updateBranch(caller, params, readSpec(spec, isStrict))),
  }),
  route({
    method: 'DELETE',
    path: `${base}/projects/{project}/branches/{branch}`,
    summary: 'Delete a branch',
    description: 'It can be undeleted for 7 days unless `purge` is true; its id is free at once.',
    operationId: 'deleteBranch',
    tag: 'Branches',
    reply: { 200: branchOperation },
    refusals: ['BRANCH_PROTECTED', 'BRANCH_IS_DEFAULT', 'BRANCH_IS_ROOT', 'BRANCH_HAS_CHILDREN'],
    access: 'identity',
    query: z.object({
      purge: queryFlag.optional().describe('For good and at once, in place of after 7 days.'),
      allow_missing: queryFlag.optional().describe('An absent branch counts as deleted.'),
    }),
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
    operationId: 'undeleteBranch',
    tag: 'Branches',
    reply: { 200: branchOperation },
    refusals: ['BRANCH_NOT_DELETED', 'BRANCH_EXISTS'],
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.undeleteBranch(caller, params)),
  }),
  route({
    method: 'POST',
    path: `${base}/projects/{project}/branches/{branch}/upgrade`,
    summary: 'Upgrade a branch to a later Postgres major',
    description:
      'Makes a new branch of that major with the data of this one as it is now; this one stays as it is. By dump and restore: it needs `pg_dump` of the major of this branch or later on the machine of the server. Exactly one of `ttl`, `expire_time` and `no_expiry: true` must be said.',
    operationId: 'upgradeBranch',
    tag: 'Branches',
    reply: { 200: branchOperation },
    refusals: [
      'BRANCH_EXISTS',
      'UPGRADE_NOT_NEWER',
      'TOOLCHAIN_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'EXPIRATION_REQUIRED',
      'EXPIRATION_AMBIGUOUS',
      'EXPIRATION_INVALID',
      'EXPIRATION_TOO_FAR',
      'EXPIRING_BRANCH_HAS_CHILDREN',
      'NAME_INVALID',
      'SOURCE_NOT_READY',
      'BRANCH_TOO_LARGE',
      'LIMIT_REACHED',
      'STORAGE_FULL',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    query: z.object({ branch_id: newId('branch', 'production-18', parseBranchId) }),
    body: {
      schema: upgrade,
      wrapper: 'branch',
      example: { spec: { pg_version: 18, no_expiry: true } },
    },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, query, body: { spec } }) =>
      ok(
        await actions.upgradeBranch(caller, {
          source: params,
          branchId: query.branch_id,
          pgVersion: requiredMajor(spec.pg_version),
          ...defined({ expiration: readExpiration(spec, { isStrict }) }),
        }),
      ),
  }),
  route({
    method: 'POST',
    path: `${base}/projects/{project}/branches/{branch}/verify`,
    summary: 'Verify a branch',
    description:
      'Takes a clone of the branch as it is now, reads every page of it (data checksums), looks into every table and B-tree index (amcheck), and throws it away. The response of the operation is a report; the branch goes on meanwhile.',
    operationId: 'verifyBranch',
    tag: 'Branches',
    reply: { 200: branchOperation },
    refusals: [
      'SOURCE_NOT_READY',
      'BRANCH_TOO_LARGE',
      'STORAGE_FULL',
      'STORAGE_NEARLY_FULL',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.verifyBranch(caller, params)),
  }),
]

const readSpec = (fields: z.output<typeof spec>, isStrict: boolean): BranchSpec =>
  defined({
    isProtected: fields.is_protected,
    durability: fields.durability,
    ...(isStrict
      ? {} // unknown there, so ignored
      : { slidingTtl: fields.sliding_ttl, isHeldBySessions: fields.is_held_by_sessions }),
    expiration: readExpiration(fields, { isStrict }),
  })

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
