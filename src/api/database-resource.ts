/** A database as answers show it: `domain/database.ts` renders it. */
import { z } from 'zod'
import { operationOn } from './operation-resource.ts'
import { childId, moment, pageOf, resourceName } from './reply-fields.ts'

const status = z.strictObject({
  database_id: childId,
  postgres_database: z.string().meta({ description: 'Its name in Postgres.' }),
  role: resourceName('projects/app/branches/dev/roles/jane-doe')
    .optional()
    .meta({ description: 'Who owns it.' }),
})

export const databaseResource = z
  .strictObject({
    name: resourceName('projects/app/branches/dev/databases/databricks-postgres'),
    database_id: childId,
    parent: resourceName('projects/app/branches/dev'),
    create_time: moment,
    update_time: moment,
    status: status.meta({ readOnly: true }),
  })
  .meta({
    id: 'Database',
    description: "A database of a branch, kept in the branch's own Postgres.",
  })

export const databasePage = pageOf('databases', databaseResource).meta({ id: 'DatabasePage' })
export const databaseOperation = operationOn('Database', databaseResource)
