/** Snapshots of a project's branches. A snapshot never changes, so there is no update. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { parseBranchId, parseBranchName, parseSnapshotId } from '../domain/names.ts'
import { readExpiration } from '../domain/read-expiration.ts'
import { base } from './base-path.ts'
import { expirationFields } from './branches.ts'
import { defined, logPosition, reference, timestamp } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { ok, type Route, route } from './route.ts'

const project = `${base}/projects/{project}` as const
const snapshot = `${project}/snapshots/{snapshot}` as const

const creation = z.object({
  spec: z
    .object({
      ...expirationFields,
      source_branch: reference('projects/app/branches/production').optional(),
      source_branch_lsn: logPosition.optional(),
      source_branch_time: timestamp.optional(),
    })
    .default({}),
})

export const snapshotRoutes = (
  actions: Actions,
  { isStrict = false }: { readonly isStrict?: boolean } = {},
): readonly Route[] => [
  route({
    method: 'POST',
    path: `${project}/snapshots`,
    summary: 'Create a snapshot',
    access: 'identity',
    query: z.object({ snapshot_id: z.string().optional().transform(parseSnapshotId) }),
    body: {
      schema: creation,
      wrapper: 'snapshot',
      specAliases: { source_branch_id: 'source_branch' },
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
    access: 'identity',
    query: pageQuery,
    handle: async ({ caller, params, query }) =>
      ok(renderPage('snapshots', await actions.listSnapshots(caller, params, readPage(query)))),
  }),
  route({
    method: 'GET',
    path: snapshot,
    summary: 'Get a snapshot',
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getSnapshot(caller, params)),
  }),
  route({
    method: 'DELETE',
    path: snapshot,
    summary: 'Delete a snapshot',
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
