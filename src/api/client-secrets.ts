/**
 * Secrets of service principals, with which they get tokens (OAuth M2M). At the address that the
 * SDKs' proxy uses, and at the account's own, whatever the account is called.
 */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { days, rfc3339, seconds } from '../lib/time.ts'
import { defined, duration, line } from './fields.ts'
import { ok, type Route, route } from './route.ts'

const bases = [
  '/api/2.0/accounts/servicePrincipals/{principal}/credentials/secrets',
  '/api/2.0/accounts/{account}/servicePrincipals/{principal}/credentials/secrets',
] as const

const body = z.object({ lifetime: duration(seconds(60), days(730), '3600s').optional() })

/** All fit on one page. */
const query = z.object({
  page_size: line(0, 20).optional(),
  page_token: line(0, 200).optional(),
})

type Listed = Awaited<ReturnType<Actions['listClientSecrets']>>[number]

export const clientSecretRoutes = (actions: Actions): readonly Route[] =>
  bases.flatMap((path) => [
    route({
      method: 'POST',
      path,
      summary: 'Create a secret of a service principal',
      access: 'identity',
      body: { schema: body },
      handle: async ({ caller, params, body: { lifetime } }) => {
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
      access: 'identity',
      query,
      handle: async ({ caller, params }) => {
        const secrets = await actions.listClientSecrets(caller, params.principal)
        return ok({ secrets: secrets.map(render) })
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/{secret}` as const,
      summary: 'Delete a secret of a service principal',
      access: 'identity',
      handle: async ({ caller, params }) => {
        await actions.deleteClientSecret(caller, params.principal, params.secret)
        return ok({})
      },
    }),
  ])

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
