/** Personal access tokens: shown once, in the answer to their creation. */
import { z } from 'zod'
import type { Actions, Caller } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { after, type Clock, seconds } from '../lib/time.ts'
import { defined, integer, line } from './fields.ts'
import { ok, type Reply, type Route, route } from './route.ts'

const tenYears = 10 * 365 * 86_400

const fields = {
  comment: line(0, 256).optional(),
  lifetime_seconds: integer(1, tenYears).optional().describe('Absent: it does not end.'),
} as const

const own = z.object(fields).meta({ id: 'TokenCreate' })
const onBehalf = z
  .object({
    ...fields,
    application_id: line(1, 256).optional().describe('Of a service principal; else `user_name`.'),
    user_name: line(1, 256).optional(),
  })
  .meta({ id: 'TokenCreateOnBehalfOf' })

const tokenInfo = z
  .strictObject({
    token_id: z.string(),
    creation_time: z.int().meta({ format: 'int64', description: 'Milliseconds since 1970.' }),
    expiry_time: z
      .int()
      .meta({ format: 'int64', description: 'Milliseconds since 1970; -1: it does not end.' }),
    comment: z.string(),
  })
  .meta({ id: 'TokenInfo' })

const createdToken = z
  .strictObject({
    token_value: z.string().meta({ description: 'The token itself: shown here and never again.' }),
    token_info: tokenInfo,
  })
  .meta({ id: 'CreatedToken' })

export const tokenRoutes = (actions: Actions, clock: Clock): readonly Route[] => {
  const create = async (
    caller: Caller,
    body: z.output<typeof own>,
    forLogin: string | undefined,
  ): Promise<Reply> => {
    const lifetime =
      body.lifetime_seconds === undefined ? undefined : seconds(body.lifetime_seconds)
    const comment = body.comment ?? ''
    const created = clock.now()
    const { tokenId, token } = await actions.createAccessToken(caller, {
      comment,
      ...defined({ lifetime, forLogin }),
    })
    return ok({
      token_value: token.reveal(),
      token_info: {
        token_id: tokenId,
        creation_time: created,
        expiry_time: lifetime === undefined ? -1 : after(created, lifetime),
        comment,
      },
    })
  }
  return [
    route({
      method: 'POST',
      path: '/api/2.0/token/create',
      summary: 'Create a personal access token',
      operationId: 'createToken',
      tag: 'Tokens',
      reply: { 200: createdToken },
      access: 'identity',
      body: { schema: own, example: { comment: 'laptop', lifetime_seconds: 86_400 } },
      handle: ({ caller, body }) => create(caller, body, undefined),
    }),
    route({
      method: 'POST',
      path: '/api/2.0/token-management/on-behalf-of/tokens',
      summary: 'Create a personal access token for another identity',
      operationId: 'createTokenOnBehalfOf',
      tag: 'Tokens',
      reply: { 200: createdToken },
      refusals: ['IDENTITY_NOT_FOUND', 'PERMISSION_DENIED'],
      access: 'identity',
      body: {
        schema: onBehalf,
        example: { user_name: 'jane.doe@example.com', lifetime_seconds: 86_400, comment: 'CI' },
      },
      handle: ({ caller, body }) => create(caller, body, readLogin(body)),
    }),
  ]
}

function readLogin({ application_id: application, user_name: user }: z.output<typeof onBehalf>) {
  const login = application ?? user
  if (login === undefined) throw new Fault('FIELD_REQUIRED', { field: 'application_id' })
  if (application !== undefined && user !== undefined) {
    const problem = 'only one of application_id and user_name may be set'
    throw new Fault('FIELD_INVALID', { field: 'application_id', problem })
  }
  return login
}
