/** An operation as answers show it: `domain/operation.ts` renders it. */
import { z } from 'zod'
import { empty } from '../domain/operation.ts'
import { errorBody } from './error-body.ts'
import { importReport } from './import-report.ts'
import { resourceName } from './reply-fields.ts'

export const progress = z
  .strictObject({
    doing: z.string().meta({ examples: ['checking tables and indexes'] }),
    done: z.int().min(0),
    total: z.int().min(0),
  })
  .meta({
    id: 'OperationProgress',
    description: 'How far it has come, while it is at work and where it takes long enough to tell.',
  })

const emptyResponse = z
  .strictObject({ '@type': z.literal(empty['@type']) })
  .meta({ id: 'Empty', description: 'The response of a finished delete.' })

/**
 * What a write on `subject` answers, and what polling it answers: the resource when it is done, or
 * Empty when it was deleted.
 */
export const operationOn = <Subject extends string>(
  subject: Subject,
  resource: z.ZodType,
  /** Of verbs whose response is something else. */
  ...others: readonly z.ZodType[]
) =>
  z
    .strictObject({
      name: resourceName('projects/app/operations/8c1f0d4e-0000-4000-8000-000000000001').meta({
        description: 'Append it to `/api/2.0/postgres/` to poll.',
      }),
      done: z.boolean(),
      metadata: z.strictObject({
        '@type': z.literal(
          `type.googleapis.com/databricks.postgres.v1.${subject}OperationMetadata`,
        ),
        progress: progress.optional(),
        ...(subject === 'Branch' ? { report: importReport.optional() } : {}),
      }),
      response: z
        .union([resource, emptyResponse, ...others])
        .optional()
        .meta({ description: 'Once it succeeded: what GET of the resource answers.' }),
      error: errorBody.optional().meta({ description: 'Once it failed.' }),
    })
    .meta({
      id: `${subject}Operation`,
      description: 'A write. When `done`, it holds either `response` or `error`.',
    })
