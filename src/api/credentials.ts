/** Database credentials: the password of a login, good for a while. */
import { z } from 'zod'
import type { Actions, CreateCredential } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { rfc3339 } from '../lib/time.ts'
import { base } from './base-path.ts'
import { anyDuration, defined, line, reference, timestamp } from './fields.ts'
import { moment } from './reply-fields.ts'
import { ok, type Route, route } from './route.ts'

const claims = z
  .array(
    z.object({
      permission_set: z.enum(['READ_ONLY']),
      resources: z
        .array(z.object({ table_name: line(1, 400) }))
        .max(500)
        .optional(),
    }),
  )
  .max(100)

const request = z
  .object({
    endpoint: reference('projects/app/branches/dev/endpoints/primary'),
    claims: claims.optional().describe('Narrow what the session may do; all claims together.'),
    ttl: anyDuration('3600s').optional().describe('Default: 3600s. Not beside `expire_time`.'),
    expire_time: timestamp.optional(),
    group_name: line(1, 256)
      .optional()
      .describe('The session runs as the role of this group, of which you are a member.'),
  })
  .meta({ id: 'DatabaseCredentialCreate' })

const credential = z
  .strictObject({
    token: z.string().meta({ description: 'The password. A JWT; do not rely on what is in it.' }),
    expire_time: moment,
  })
  .meta({ id: 'DatabaseCredential' })

export const credentialRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'POST',
    path: `${base}/credentials`,
    summary: 'Generate a database credential',
    description:
      'The password of a Postgres login as yourself, for up to an hour: `user` is your login name, `password` is `token`.',
    operationId: 'generateDatabaseCredential',
    tag: 'Credentials',
    reply: { 200: credential },
    refusals: [
      'PROJECT_NOT_FOUND',
      'BRANCH_NOT_FOUND',
      'ENDPOINT_NOT_FOUND',
      'CREDENTIAL_ENDPOINT_FORM',
      'TTL_OUT_OF_RANGE',
      'EXPIRATION_AMBIGUOUS',
      'ID_INVALID',
      'NAME_INVALID',
      'PERMISSION_DENIED',
    ],
    access: 'identity',
    body: {
      schema: request,
      example: { endpoint: 'projects/app/branches/dev/endpoints/primary', ttl: '3600s' },
    },
    async handle({ caller, body }) {
      const { token, expireTime } = await actions.createCredential(caller, readCredential(body))
      return ok({ token: token.reveal(), expire_time: rfc3339(expireTime) })
    },
  }),
]

function readCredential(fields: z.output<typeof request>): CreateCredential {
  const { ttl, expire_time: expireTime } = fields
  if (fields.endpoint === '') throw new Fault('FIELD_REQUIRED', { field: 'endpoint' })
  if (ttl !== undefined && expireTime !== undefined) {
    throw new Fault('EXPIRATION_AMBIGUOUS', { given: 'ttl and expire_time' })
  }
  return {
    endpoint: fields.endpoint,
    ...defined({
      lifetime: ttl,
      expireTime,
      narrowing: readNarrowing(fields.claims),
      groupName: fields.group_name,
    }),
  }
}

/** All claims together; one that names no table means every table. */
function readNarrowing(given: z.output<typeof claims> | undefined): CreateCredential['narrowing'] {
  if (given === undefined || given.length === 0) return undefined
  const resources = given.map((claim) => claim.resources ?? [])
  if (resources.some((tables) => tables.length === 0)) {
    return { permission: 'READ_ONLY', tables: undefined }
  }
  const tables = new Set(resources.flat().map(({ table_name: name }) => name))
  return { permission: 'READ_ONLY', tables: [...tables] }
}
