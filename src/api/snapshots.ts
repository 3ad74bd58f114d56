/** Snapshots of a project's branches. A snapshot never changes, so there is no update. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { parseBranchId, parseBranchName, parseSnapshotId } from '../domain/names.ts'
import { readExpiration } from '../domain/read-expiration.ts'
import { base } from './base-path.ts'
import { expirationFields } from './branches.ts'
import { defined, logPosition, newId, preciseTimestamp, reference } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { ok, type Route, route } from './route.ts'
import { snapshotOperation, snapshotPage, snapshotResource } from './snapshot-resource.ts'

const project = `${base}/projects/{project}` as const
const snapshot = `${project}/snapshots/{snapshot}` as const

const creation = z
  .object({
    spec: z
      .object({
        ...expirationFields,
        source_branch: reference('projects/app/branches/production')
          .optional()
          .describe('Required: what to take the snapshot of.'),
        source_branch_lsn: logPosition
          .optional()
          .describe('Of its history: what its log holds before this position.'),
        source_branch_time: preciseTimestamp
          .optional()
          .describe('Of its history: what was committed up to this moment.'),
      })
      .default({})
      .meta({ writeOnly: true }),
  })
  .meta({ id: 'SnapshotCreate' })

export const snapshotRoutes = (
  actions: Actions,
  { isStrict = false }: { readonly isStrict?: boolean } = {},
): readonly Route[] => [
  route({
    method: 'POST',
    path: `${project}/snapshots`,
    summary: 'Create a snapshot',
    description:
      'Holds the branch as it is now, awake or asleep, and outlives it. Without one of `ttl`, `expire_time` and `no_expiry: true` it does not end.',
    operationId: 'createSnapshot',
    tag: 'Snapshots',
    reply: { 200: snapshotOperation },
    refusals: [
      'SNAPSHOT_EXISTS',
      'EXPIRATION_AMBIGUOUS',
      'EXPIRATION_INVALID',
      'EXPIRATION_TOO_FAR',
      'BRANCH_NOT_FOUND',
      'SOURCE_OTHER_PROJECT',
      'SOURCE_NOT_READY',
      'NAME_INVALID',
      'POINT_AMBIGUOUS',
      'POINT_IN_FUTURE',
      'POINT_OUTSIDE_HISTORY',
      'POINT_AFTER_END',
      'HISTORY_NOT_BEGUN',
      'BRANCH_TOO_LARGE',
      'LIMIT_REACHED',
      'STORAGE_FULL',
      'STORAGE_NEARLY_FULL',
      'BRANCH_DATA_MISSING',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    query: z.object({ snapshot_id: newId('snapshot', 'before-release', parseSnapshotId) }),
    body: {
      schema: creation,
      wrapper: 'snapshot',
      specAliases: { source_branch_id: 'source_branch' },
      example: { spec: { source_branch: 'projects/app/branches/production', ttl: '604800s' } },
    },
    subject: ({ caller, params }) => actions.getProject(caller, params),
    handle: async ({ caller, params, query, body: { spec } }) =>
      ok(
        await actions.createSnapshot(caller, {
          project: params.project,
          snapshotId: query.snapshot_id,
          spec: {
            source: readSource(spec.source_branch),
            ...defined({
              sourceLsn: spec.source_branch_lsn,
              sourceTime: spec.source_branch_time,
              expiration: readExpiration(spec, { isStrict }),
            }),
          },
        }),
      ),
  }),
  route({
    method: 'GET',
    path: `${project}/snapshots`,
    summary: 'List snapshots',
    operationId: 'listSnapshots',
    tag: 'Snapshots',
    reply: { 200: snapshotPage },
    refusals: ['PAGE_TOKEN_UNKNOWN'],
    access: 'identity',
    query: pageQuery,
    handle: async ({ caller, params, query }) =>
      ok(renderPage('snapshots', await actions.listSnapshots(caller, params, readPage(query)))),
  }),
  route({
    method: 'GET',
    path: snapshot,
    summary: 'Get a snapshot',
    operationId: 'getSnapshot',
    tag: 'Snapshots',
    reply: { 200: snapshotResource },
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getSnapshot(caller, params)),
  }),
  route({
    method: 'DELETE',
    path: snapshot,
    summary: 'Delete a snapshot',
    description: 'Branches that were made from it stay. It cannot be undeleted.',
    operationId: 'deleteSnapshot',
    tag: 'Snapshots',
    reply: { 200: snapshotOperation },
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.deleteSnapshot(caller, params)),
  }),
]

/** A full name, or a bare id of the same project; whether it is there, the action finds out. */
function readSource(source: string | undefined): string {
  if (source === undefined || source === '') {
    throw new Fault('FIELD_REQUIRED', { field: 'spec.source_branch' })
  }
  if (source.includes('/')) parseBranchName(source)
  else parseBranchId(source)
  return source
}
