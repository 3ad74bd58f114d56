/** Backups as answers show them: `domain/backup.ts` renders them. */
import { z } from 'zod'
import { branchResource } from './branch-resource.ts'
import { errorBody } from './error-body.ts'
import { progress } from './operation-resource.ts'
import { int64, moment, resourceName } from './reply-fields.ts'

const lsn = z
  .string()
  .regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/)
  .meta({ examples: ['0/4C00B28'] })

const fields = {
  sequence: z.int().min(1).meta({ description: 'From 1, in the order in which they were made.' }),
  kind: z.enum(['FULL', 'INCREMENT']).meta({
    description: '`INCREMENT`: the WAL since the backup before it.',
  }),
  time: moment.meta({ description: 'Every commit that was acknowledged before is in it.' }),
  reached_lsn: lsn.meta({ description: 'Where its WAL ends.' }),
  postgres_version: z.int(),
  data_bytes: int64.meta({ description: 'Of the files of a full copy; 0 of an increment.' }),
  wal_bytes: int64,
}

const backup = z.strictObject(fields).meta({ id: 'Backup' })

const place = z.string().meta({ description: 'As it was given.' })

const finished = z
  .strictObject({
    ...fields,
    place,
    full_because: z
      .enum(['FIRST', 'ASKED', 'OTHER_VOLUME', 'WAL_GONE'])
      .optional()
      .meta({ description: 'Why it is a full copy and no increment.' }),
    new_bytes: int64
      .optional()
      .meta({ description: 'Of chunks that were not at the place before, uncompressed.' }),
  })
  .meta({ id: 'FinishedBackup' })

const verification = z
  .strictObject({
    place,
    is_whole: z.boolean(),
    objects: int64,
    bytes: int64.meta({ description: 'Of all chunks that were read, uncompressed.' }),
    problems: z
      .array(z.string())
      .meta({ description: 'A sentence for each thing that is wrong, a hundred at most.' }),
  })
  .meta({ id: 'BackupVerification' })

export const backupList = z
  .strictObject({
    source_branch: resourceName('projects/app/branches/production'),
    backups: z.array(backup),
    windows: z
      .array(z.strictObject({ from_time: moment, from_lsn: lsn, to_time: moment, to_lsn: lsn }))
      .meta({ description: 'The stretches of which any point can be restored.' }),
  })
  .meta({ id: 'BackupList' })

export const backupOperation = z
  .strictObject({
    name: z.string().meta({
      description: 'Append it to `/api/2.0/postgres/` to poll.',
      examples: ['backups/operations/8c1f0d4e-0000-4000-8000-000000000001'],
    }),
    done: z.boolean(),
    metadata: z.strictObject({
      '@type': z.literal('type.googleapis.com/databricks.postgres.v1.BackupOperationMetadata'),
      progress: progress.optional(),
    }),
    response: z
      .union([finished, verification, branchResource])
      .optional()
      .meta({ description: 'Once it succeeded: the backup, the verification or the new branch.' }),
    error: errorBody.optional().meta({ description: 'Once it failed.' }),
  })
  .meta({
    id: 'BackupOperation',
    description: 'Work on a backup. When `done`, it holds either `response` or `error`.',
  })
