/** Reset to source and restore in place: ours beside the contract, which has a state for them and no call. */
import { z } from 'zod'
import type { Actions, RestorePoint } from '../actions/actions.ts'
import { Fault, type Reason } from '../domain/faults.ts'
import { parseSnapshotId, parseSnapshotName } from '../domain/names.ts'
import { base } from './base-path.ts'
import { branchOperation } from './branch-resource.ts'
import { flag, logPosition, preciseTimestamp, reference } from './fields.ts'
import { int64, moment, resourceName } from './reply-fields.ts'
import { ok, type Route, route } from './route.ts'

const branch = `${base}/projects/{project}/branches/{branch}` as const

const dryRun = flag.optional().describe('Change nothing; say what would be lost.')
const reset = z.object({ dry_run: dryRun }).meta({ id: 'BranchReset' })
const restore = z
  .object({
    snapshot: reference('projects/app/snapshots/before-release')
      .optional()
      .describe('A snapshot of this branch.'),
    time: preciseTimestamp.optional().describe('A time of its history.'),
    lsn: logPosition.optional().describe('A position in its log.'),
    dry_run: dryRun,
  })
  .meta({ id: 'BranchRestore' })

const preview = z
  .strictObject({
    branch: resourceName('projects/app/branches/dev'),
    source_branch: resourceName('projects/app/branches/production').optional(),
    source_snapshot: resourceName('projects/app/snapshots/before-release').optional(),
    time: moment.optional(),
    lsn: z.string().optional(),
    lost: z.strictObject({
      since: moment.meta({ description: 'What was committed after it.' }),
      transactions: int64.optional().meta({
        description:
          'Of those that wrote, rolled back ones and those of Lakelet itself included; absent where nobody wrote down where they began. Of a snapshot or a point: at most.',
      }),
      wal_bytes: int64.optional().meta({ description: 'Log that they wrote.' }),
      sessions: int64.meta({ description: 'Clients that are connected now; they are ended.' }),
    }),
  })
  .meta({ id: 'ResetPreview', description: 'What a reset or restore would lose.' })

const reply = { 200: z.union([branchOperation, preview]) } as const

const refusals = [
  'BRANCH_KEEPS_DATA',
  'BRANCH_RESETTING',
  'BRANCH_BEING_COPIED',
  'SOURCE_NOT_READY',
  'ENDPOINT_DISABLED',
  'STORAGE_NEARLY_FULL',
  'STORAGE_FULL',
  'STORAGE_UNAVAILABLE',
] as const satisfies readonly Reason[]

const kept =
  'Endpoint, host and uid stay. Sessions end with SQLSTATE 57P01; who connects again meets the new data. Read-only endpoints are made anew at their next login. What the branch held is a snapshot that ends after a day (`before-…`). When it fails, nothing has changed.'

export const resetRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'POST',
    path: `${branch}/reset`,
    summary: 'Reset a branch to its source',
    description: `The branch then holds what its source branch holds when this runs. ${kept}`,
    operationId: 'resetBranch',
    tag: 'Branches',
    reply,
    refusals: [...refusals, 'RESET_NEEDS_SOURCE', 'RESET_SOURCE_GONE', 'BRANCH_TOO_LARGE'],
    access: 'identity',
    body: { schema: reset, example: { dry_run: true } },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, body: { dry_run: isDry = false } }) =>
      ok(
        isDry
          ? await actions.previewReset(caller, params)
          : await actions.resetBranch(caller, params),
      ),
  }),
  route({
    method: 'POST',
    path: `${branch}/restore`,
    summary: 'Restore a branch in place',
    description: `Exactly one of \`snapshot\`, \`time\` and \`lsn\` says what the branch then holds: one of its snapshots, or a point of its history. ${kept}`,
    operationId: 'restoreBranch',
    tag: 'Branches',
    reply,
    refusals: [
      ...refusals,
      'RESTORE_POINT_REQUIRED',
      'POINT_IN_FUTURE',
      'POINT_OUTSIDE_HISTORY',
      'POINT_AFTER_END',
      'HISTORY_NOT_BEGUN',
      'NAME_INVALID',
      'SNAPSHOT_NOT_FOUND',
      'SNAPSHOT_NOT_READY',
      'SNAPSHOT_OTHER_PROJECT',
      'SNAPSHOT_OF_ANOTHER',
    ],
    access: 'identity',
    body: {
      schema: restore,
      example: { snapshot: 'projects/app/snapshots/before-release', dry_run: true },
    },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    async handle({ caller, params, body: { dry_run: isDry = false, ...point } }) {
      const to = readPoint(point)
      return ok(
        isDry
          ? await actions.previewRestore(caller, params, to)
          : await actions.restoreBranch(caller, params, to),
      )
    },
  }),
]

function readPoint({
  snapshot,
  time,
  lsn,
}: Omit<z.output<typeof restore>, 'dry_run'>): RestorePoint {
  const given = Object.entries({ snapshot, time, lsn }).filter(([, value]) => value !== undefined)
  if (given.length !== 1) {
    const names = given.map(([name]) => name).join(' and ') || 'none'
    throw new Fault('RESTORE_POINT_REQUIRED', { given: names })
  }
  if (time !== undefined) return { kind: 'time', time }
  if (lsn !== undefined) return { kind: 'lsn', lsn }
  return { kind: 'snapshot', snapshot: checkSnapshot(snapshot ?? '') }
}

/** A full name, or a bare id of the same project; whether it is there, the action finds out. */
function checkSnapshot(snapshot: string): string {
  if (snapshot.includes('/')) parseSnapshotName(snapshot)
  else parseSnapshotId(snapshot)
  return snapshot
}
