/**
 * Secrets of service principals, with which they get tokens (OAuth M2M). At the address that the
 * SDKs' proxy uses, and at the account's own, whatever the account is called.
 */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { printable } from '../domain/names.ts'
import { days, rfc3339, seconds } from '../lib/time.ts'
import { defined, duration, line } from './fields.ts'
import { moment } from './reply-fields.ts'
import { ok, type Route, route } from './route.ts'

const bases = [
  { path: '/api/2.0/accounts/servicePrincipals/{principal}/credentials/secrets', suffix: '' },
  {
    path: '/api/2.0/accounts/{account}/servicePrincipals/{principal}/credentials/secrets',
    suffix: 'OfAccount',
  },
] as const

const body = z
  .object({
    lifetime: duration(seconds(60), days(730), '3600s').optional().describe('Default: two years.'),
  })
  .meta({ id: 'ClientSecretCreate' })

const shown = {
  id: z.string(),
  secret_hash: z.string().meta({ description: 'Tells secrets apart.' }),
  status: z.enum(['ACTIVE', 'EXPIRED']),
  create_time: moment,
  update_time: moment,
  expire_time: moment.optional(),
  last_used_time: moment.optional(),
} as const
const reply = z.strictObject(shown).meta({ id: 'ClientSecret' })
const createReply = z
  .strictObject({
    ...shown,
    secret: z.string().meta({ description: 'The secret itself: shown here and never again.' }),
  })
  .meta({ id: 'CreatedClientSecret' })
const listReply = z.strictObject({ secrets: z.array(reply) }).meta({ id: 'ClientSecretList' })
const nothing = z.strictObject({})
const refusals = ['ADMINISTRATORS_ONLY', 'IDENTITY_NOT_FOUND', 'ID_INVALID'] as const

/** All fit on one page, so no token was ever given out. */
const query = z.object({
  page_size: line(0, 20).optional(),
  page_token: line(0, 200).optional(),
})

type Listed = Awaited<ReturnType<Actions['listClientSecrets']>>[number]

export const clientSecretRoutes = (actions: Actions): readonly Route[] =>
  bases.flatMap(({ path, suffix }) => [
    route({
      method: 'POST',
      path,
      summary: 'Create a secret of a service principal',
      operationId: `createClientSecret${suffix}`,
      tag: 'Identities',
      reply: { 200: createReply },
      refusals: [...refusals, 'SECRETS_TOO_MANY'],
      access: 'identity',
      body: { schema: body, example: { lifetime: '86400s' } },
      handle: async ({ caller, params, body: { lifetime } }) => {
        checkAccount(params)
        const made = await actions.createClientSecret(
          caller,
          params.principal,
          defined({ lifetime }),
        )
        return ok({ ...render(made), secret: made.secret.reveal() })
      },
    }),
    route({
      method: 'GET',
      path,
      summary: "List a service principal's secrets",
      operationId: `listClientSecrets${suffix}`,
      tag: 'Identities',
      reply: { 200: listReply },
      refusals: [...refusals, 'PAGE_TOKEN_UNKNOWN'],
      access: 'identity',
      query,
      handle: async ({ caller, params, query: { page_token: token } }) => {
        checkAccount(params)
        if (token !== undefined && token !== '') throw new Fault('PAGE_TOKEN_UNKNOWN')
        const secrets = await actions.listClientSecrets(caller, params.principal)
        return ok({ secrets: secrets.map(render) })
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/{secret}` as const,
      summary: 'Delete a secret of a service principal',
      operationId: `deleteClientSecret${suffix}`,
      tag: 'Identities',
      reply: { 200: nothing },
      refusals: [...refusals, 'SECRET_NOT_FOUND'],
      access: 'identity',
      handle: async ({ caller, params }) => {
        checkAccount(params)
        await actions.deleteClientSecret(caller, params.principal, params.secret)
        return ok({})
      },
    }),
  ])

const ACCOUNT = /^[A-Za-z0-9-]{1,64}$/

/** Any account is this one, but its id must be one. */
function checkAccount(params: Readonly<Record<string, string>>): void {
  const { account } = params
  if (account === undefined || ACCOUNT.test(account)) return
  const pattern = ACCOUNT.source
  throw new Fault('ID_INVALID', { field: 'account_id', pattern, value: printable(account) })
}

const render = ({ secretId, hash, createTime, expireTime, lastUsedTime, isExpired }: Listed) => ({
  id: secretId,
  // Enough to tell secrets apart, too little to be one.
  secret_hash: hash.slice(0, 16),
  status: isExpired ? 'EXPIRED' : 'ACTIVE',
  create_time: rfc3339(createTime),
  update_time: rfc3339(createTime),
  ...(expireTime === undefined ? {} : { expire_time: rfc3339(expireTime) }),
  ...(lastUsedTime === undefined ? {} : { last_used_time: rfc3339(lastUsedTime) }),
})
