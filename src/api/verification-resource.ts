/** What a verification found, as answers show it: `domain/verification.ts` renders it. */
import { z } from 'zod'
import { moment, resourceName } from './reply-fields.ts'

const problem = z
  .strictObject({
    found_by: z.enum(['START', 'CHECKSUM', 'AMCHECK']),
    postgres_database: z.string().optional(),
    relation: z
      .string()
      .optional()
      .meta({ examples: ['public.orders'] }),
    fork: z.enum(['main', 'fsm', 'vm', 'init']).optional(),
    block: z.int().min(0).optional().meta({ description: 'Page of the relation, from 0.' }),
    file: z.string().optional().meta({ description: 'Below the data directory.' }),
    message: z.string(),
  })
  .meta({ id: 'VerificationProblem' })

const database = z.strictObject({
  postgres_database: z.string(),
  tables_checked: z.int(),
  indexes_checked: z.int(),
  unchecked_count: z.int(),
  unchecked: z
    .array(z.strictObject({ relation: z.string(), reason: z.string() }))
    .meta({ description: 'What amcheck does not look into; its pages were read all the same.' }),
})

export const branchVerification = z
  .strictObject({
    branch: resourceName('projects/app/branches/production'),
    clone_time: moment.meta({ description: 'As of when the branch was looked at.' }),
    is_sound: z.boolean(),
    problem_count: z.int().min(0),
    problems: z.array(problem).meta({ description: 'The first hundred.' }),
    data_checksums: z.boolean(),
    pages_checked: z.int().min(0),
    amcheck_version: z.string().optional().meta({
      description: 'Absent: the toolchain has no amcheck, and structure was not checked.',
    }),
    databases: z.array(database),
  })
  .meta({ id: 'BranchVerification', description: 'Whether the data of a branch is sound.' })
