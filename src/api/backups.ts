/** Copies of branches away from this machine: ours beside the contract, for administrators. */
import { z } from 'zod'
import type { Actions, RestoreBackup } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { type OperationUid, parseBranchName } from '../domain/names.ts'
import { backupList, backupOperation } from './backup-resource.ts'
import { base } from './base-path.ts'
import { flag, lineLike, logPosition, reference, timestamp } from './fields.ts'
import { ok, type Route, route } from './route.ts'

const branch = `${base}/projects/{project}/branches/{branch}` as const

const place = lineLike(
  1000,
  '^(/|s3://).+$',
  'it must be an absolute path on the machine of the server, or s3://BUCKET/PREFIX',
)
  .describe('An absolute path on the machine of the server, or `s3://BUCKET/PREFIX`.')
  .meta({ examples: ['/mnt/backups/app', 's3://backups/app'] })
const endpointUrl = lineLike(1000, '^https?://.+$', 'it must be a URL of http or https')
  .optional()
  .describe('Of a store that speaks S3 and is not AWS.')

const creation = z
  .object({
    to: place,
    endpoint_url: endpointUrl,
    full: flag.optional().describe('A full copy, also where an increment would do.'),
  })
  .meta({ id: 'BackupCreate' })

const fromPlace = z.object({ from: place, endpoint_url: endpointUrl })

const restoration = fromPlace
  .extend({
    at_time: timestamp.optional(),
    at_lsn: logPosition.optional(),
    into: reference('projects/app/branches/production')
      .optional()
      .describe('Full name of the new branch. Default: where the backup was made.'),
  })
  .meta({ id: 'BackupRestore' })

const unusable = [
  'ADMINISTRATORS_ONLY',
  'BACKUP_PLACE_INVALID',
  'BACKUP_PLACE_ABSENT',
  'BACKUP_PLACE_REFUSED',
  'BACKUP_PLACE_UNREACHABLE',
  'BACKUP_PLACE_OCCUPIED',
  'BACKUP_DAMAGED',
  'BACKUP_TOO_NEW',
] as const

export const backupRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'GET',
    path: `${branch}/backups/operations/{+operation}`,
    summary: 'Get an operation on the backups of a branch',
    operationId: 'getBranchBackupOperation',
    tag: 'Operations',
    reply: { 200: backupOperation },
    refusals: ['OPERATION_NOT_FOUND'],
    access: 'identity',
    handle: async ({ caller, params }) => {
      const resource = `projects/${params.project}/branches/${params.branch}/backups`
      return ok(await actions.getOperation(caller, resource, readId(params.operation)))
    },
  }),
  route({
    method: 'GET',
    path: `${base}/backups/operations/{+operation}`,
    summary: 'Get an operation that reads a backup',
    operationId: 'getBackupOperation',
    tag: 'Operations',
    reply: { 200: backupOperation },
    refusals: ['OPERATION_NOT_FOUND'],
    access: 'identity',
    handle: async ({ caller, params }) =>
      ok(await actions.getOperation(caller, 'backups', readId(params.operation))),
  }),
  route({
    method: 'POST',
    path: `${branch}/backups`,
    summary: 'Back up a branch',
    description:
      'The first backup at a place is a full copy; later ones hold the WAL since the one before, where that is still there. One place holds the backups of one branch. For administrators.',
    operationId: 'backUpBranch',
    tag: 'Backups',
    reply: { 200: backupOperation },
    refusals: [
      ...unusable,
      'BACKUP_OTHER_BRANCH',
      'SOURCE_NOT_READY',
      'STORAGE_FULL',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    body: { schema: creation, example: { to: '/mnt/backups/app' } },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, body }) =>
      ok(
        await actions.backUpBranch(caller, params, {
          to: { place: body.to, endpointUrl: body.endpoint_url },
          isFull: body.full ?? false,
        }),
      ),
  }),
  route({
    method: 'GET',
    path: `${base}/backups`,
    summary: 'List the backups at a place',
    operationId: 'listBackups',
    tag: 'Backups',
    reply: { 200: backupList },
    refusals: [...unusable, 'BACKUP_NOT_FOUND'],
    access: 'identity',
    query: fromPlace,
    handle: async ({ caller, query }) =>
      ok(
        await actions.listBackups(caller, {
          place: query.from,
          endpointUrl: query.endpoint_url,
        }),
      ),
  }),
  route({
    method: 'POST',
    path: `${base}/backups/verify`,
    summary: 'Verify the backups at a place',
    description: 'Reads all of them. What is wrong is in the response, which is no error.',
    operationId: 'verifyBackups',
    tag: 'Backups',
    reply: { 200: backupOperation },
    refusals: [...unusable, 'BACKUP_NOT_FOUND'],
    access: 'identity',
    body: { schema: fromPlace.meta({ id: 'BackupVerify' }), example: { from: '/mnt/backups/app' } },
    handle: async ({ caller, body }) =>
      ok(
        await actions.verifyBackups(caller, {
          place: body.from,
          endpointUrl: body.endpoint_url,
        }),
      ),
  }),
  route({
    method: 'POST',
    path: `${base}/backups/restore`,
    summary: 'Restore a branch from a backup',
    description:
      'Makes a new root branch, and its project with whoever may use it where that is not there. Nothing is overwritten.',
    operationId: 'restoreBackup',
    tag: 'Backups',
    reply: { 200: backupOperation },
    refusals: [
      ...unusable,
      'BACKUP_NOT_FOUND',
      'BACKUP_POINT_OUTSIDE',
      'BACKUP_MAJOR_DIFFERS',
      'POINT_AMBIGUOUS',
      'NAME_INVALID',
      'ID_INVALID',
      'PROJECT_EXISTS',
      'BRANCH_EXISTS',
      'TOOLCHAIN_MISSING',
      'LIMIT_REACHED',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_FULL',
      'STORAGE_NEARLY_FULL',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    body: {
      schema: restoration,
      example: { from: '/mnt/backups/app', into: 'projects/app/branches/again' },
    },
    handle: async ({ caller, body }) =>
      ok(
        await actions.restoreBackup(caller, {
          from: { place: body.from, endpointUrl: body.endpoint_url },
          point: readPoint(body),
          into: body.into === undefined ? undefined : parseBranchName(body.into),
        }),
      ),
  }),
]

function readId(id: string): OperationUid {
  if (id.length > 200 || /[^\x21-\x7e]/.test(id)) throw new Fault('OPERATION_NOT_FOUND')
  return id as OperationUid
}

function readPoint({
  at_time: time,
  at_lsn: lsn,
}: Pick<z.output<typeof restoration>, 'at_time' | 'at_lsn'>): RestoreBackup['point'] {
  if (time !== undefined && lsn !== undefined) throw new Fault('POINT_AMBIGUOUS')
  if (time !== undefined) return { kind: 'time', time }
  return lsn === undefined ? undefined : { kind: 'lsn', lsn }
}
