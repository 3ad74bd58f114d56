/** Personal access tokens: shown once, in the answer to their creation; listed and revoked by id. */
import { z } from 'zod'
import type { Actions, Caller } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { seconds } from '../lib/time.ts'
import { defined, integer, line } from './fields.ts'
import { ok, type Reply, type Route, route } from './route.ts'

type AccessToken = Awaited<ReturnType<Actions['getAccessToken']>>

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
const which = z.object({ token_id: line(1, 256) }).meta({ id: 'TokenDelete' })

const time = (description: string) => z.int().meta({ format: 'int64', description })

const shownOwn = {
  token_id: z.string(),
  creation_time: time('Milliseconds since 1970.'),
  expiry_time: time('Milliseconds since 1970; -1: it does not end.'),
  comment: z.string(),
}
const tokenInfo = z.strictObject(shownOwn).meta({ id: 'TokenInfo' })
const managedInfo = z
  .strictObject({
    ...shownOwn,
    created_by_id: z.int().optional(),
    created_by_username: z.string().optional(),
    owner_id: z.int().optional(),
    last_used_day: time('Start of the day in UTC, in milliseconds since 1970.').optional(),
  })
  .meta({ id: 'ManagedTokenInfo' })

const token_value = z
  .string()
  .meta({ description: 'The token itself: shown here and never again.' })
const createdToken = z
  .strictObject({ token_value, token_info: tokenInfo })
  .meta({ id: 'CreatedToken' })
const createdForOther = z
  .strictObject({ token_value, token_info: managedInfo })
  .meta({ id: 'CreatedTokenOnBehalfOf' })
const nothing = z.strictObject({})

/** Whose tokens an administrator wants to see. */
const whose = z.object({
  created_by_id: line(0, 256).optional(),
  created_by_username: line(0, 256).optional(),
})

const managed = '/api/2.0/token-management'

export const tokenRoutes = (actions: Actions): readonly Route[] => {
  const create = async (
    caller: Caller,
    body: z.output<typeof own>,
    render: (token: AccessToken) => object,
    forLogin?: string,
  ): Promise<Reply> => {
    const { comment = '', lifetime_seconds: length } = body
    const lifetime = length === undefined ? undefined : seconds(length)
    const made = await actions.createAccessToken(caller, {
      comment,
      ...defined({ lifetime, forLogin }),
    })
    return ok({ token_value: made.token.reveal(), token_info: render(made) })
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
      handle: ({ caller, body }) => create(caller, body, renderOwn),
    }),
    route({
      method: 'GET',
      path: '/api/2.0/token/list',
      summary: 'List your personal access tokens',
      operationId: 'listTokens',
      tag: 'Tokens',
      reply: { 200: z.strictObject({ token_infos: z.array(tokenInfo) }).meta({ id: 'TokenList' }) },
      access: 'identity',
      handle: async ({ caller }) => {
        const tokens = await actions.listAccessTokens(caller, { ofAll: false })
        return ok({ token_infos: tokens.map(renderOwn) })
      },
    }),
    route({
      method: 'POST',
      path: '/api/2.0/token/delete',
      summary: 'Revoke a personal access token',
      operationId: 'deleteToken',
      tag: 'Tokens',
      reply: { 200: nothing },
      refusals: ['TOKEN_NOT_FOUND'],
      access: 'identity',
      body: { schema: which, example: { token_id: 'an id of the list' } },
      handle: async ({ caller, body }) => {
        await actions.deleteAccessToken(caller, body.token_id)
        return ok({})
      },
    }),
    route({
      method: 'GET',
      path: `${managed}/tokens`,
      summary: "List everybody's personal access tokens",
      operationId: 'listManagedTokens',
      tag: 'Tokens',
      reply: {
        200: z.strictObject({ token_infos: z.array(managedInfo) }).meta({ id: 'ManagedTokenList' }),
      },
      refusals: ['ADMINISTRATORS_ONLY'],
      access: 'identity',
      query: whose,
      handle: async ({ caller, query }) => {
        const { created_by_id: id, created_by_username: name } = query
        const tokens = await actions.listAccessTokens(caller, { ofAll: true })
        const wanted = tokens.filter(
          (token) =>
            (id === undefined || token.createdBy === id) &&
            (name === undefined || token.createdByName?.toLowerCase() === name.toLowerCase()),
        )
        return ok({ token_infos: wanted.map(renderManaged) })
      },
    }),
    route({
      method: 'GET',
      path: `${managed}/tokens/{token}`,
      summary: 'Get a personal access token',
      operationId: 'getManagedToken',
      tag: 'Tokens',
      reply: { 200: z.strictObject({ token_info: managedInfo }).meta({ id: 'ManagedToken' }) },
      refusals: ['TOKEN_NOT_FOUND'],
      access: 'identity',
      handle: async ({ caller, params }) =>
        ok({ token_info: renderManaged(await actions.getAccessToken(caller, params.token)) }),
    }),
    route({
      method: 'DELETE',
      path: `${managed}/tokens/{token}`,
      summary: 'Revoke a personal access token of anybody',
      operationId: 'deleteManagedToken',
      tag: 'Tokens',
      reply: { 200: nothing },
      refusals: ['TOKEN_NOT_FOUND'],
      access: 'identity',
      handle: async ({ caller, params }) => {
        await actions.deleteAccessToken(caller, params.token)
        return ok({})
      },
    }),
    route({
      method: 'POST',
      path: `${managed}/on-behalf-of/tokens`,
      summary: 'Create a personal access token for another identity',
      operationId: 'createTokenOnBehalfOf',
      tag: 'Tokens',
      reply: { 200: createdForOther },
      refusals: ['IDENTITY_NOT_FOUND', 'ADMINISTRATORS_ONLY'],
      access: 'identity',
      body: {
        schema: onBehalf,
        example: { user_name: 'jane.doe@example.com', lifetime_seconds: 86_400, comment: 'CI' },
      },
      handle: ({ caller, body }) => create(caller, body, renderManaged, readLogin(body)),
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

const renderOwn = ({ tokenId, createTime, expireTime, comment }: AccessToken) => ({
  token_id: tokenId,
  creation_time: createTime,
  expiry_time: expireTime ?? -1,
  comment,
})

const day = 86_400_000

const renderManaged = (token: AccessToken) => ({
  ...renderOwn(token),
  ...defined({
    created_by_id: numberOf(token.createdBy),
    created_by_username: token.createdByName,
    owner_id: numberOf(token.identityUid),
    last_used_day:
      token.lastUsedTime === undefined ? undefined : Math.floor(token.lastUsedTime / day) * day,
  }),
})

/** Here clients want a number; one that a double cannot hold is better left out. */
function numberOf(uid: string): number | undefined {
  const number = Number(uid)
  return Number.isSafeInteger(number) ? number : undefined
}
