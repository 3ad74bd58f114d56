/** What an import tells of itself, as answers show it: `domain/import-report.ts` is its type. */
import { z } from 'zod'
import { importPhases } from '../domain/import-report.ts'
import { int64 } from './reply-fields.ts'

const names = z.array(z.string())
const count = int64.meta({ examples: [12] })

export const importReport = z
  .strictObject({
    phase: z.enum(importPhases),
    tables_done: count,
    tables_total: count,
    bytes_done: count,
    bytes_total: count.meta({ description: "Of tables on the source's disk." }),
    left_out: z
      .strictObject({
        roles: names.meta({
          description: 'They owned or were granted something: it belongs to the shared owner now.',
        }),
        policies: names,
        event_triggers: names,
        publications: names,
        subscriptions: names,
        user_mappings: names,
      })
      .optional()
      .meta({ description: 'What of the source has no place in a branch.' }),
  })
  .meta({ id: 'ImportReport', description: 'How far an import is, and what it leaves out.' })
