/** One-time links with which a user sets a password; made by administrators, shown once. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { baseUrl } from '../domain/base-url.ts'
import { rfc3339 } from '../lib/time.ts'
import { line } from './fields.ts'
import { ok, type Route, route } from './route.ts'

export interface SetupLinkOptions {
  readonly actions: Pick<Actions, 'createSetupLink'>
  readonly apiUrl: () => string
  readonly publicUrl: string | undefined
}

const body = z
  .object({ user_name: line(1, 256).optional().describe('Whose; absent: your own.') })
  .meta({ id: 'SetupLinkCreate' })

const setupLink = z
  .strictObject({
    user_name: z.string(),
    url: z.url().meta({ description: 'A secret: whoever opens it first sets the password.' }),
    expire_time: z.iso.datetime(),
  })
  .meta({ id: 'SetupLink' })

export const setupLinkRoutes = (options: SetupLinkOptions): readonly Route[] => [
  route({
    method: 'POST',
    path: '/api/lakelet/v1/setup-links',
    summary: 'Create a link with which a user sets a password',
    operationId: 'createSetupLink',
    tag: 'Identities',
    reply: { 200: setupLink },
    refusals: ['ADMINISTRATORS_ONLY', 'IDENTITY_NOT_FOUND'],
    access: 'identity',
    body: { schema: body, example: { user_name: 'jane.doe@example.com' } },
    async handle({ caller, body: { user_name: userName }, host }) {
      const { actions, apiUrl, publicUrl } = options
      const link = await actions.createSetupLink(caller, userName ?? caller.identity.loginName)
      const base = baseUrl({ apiUrl: apiUrl(), publicUrl }, host)
      return ok({
        user_name: link.identity.loginName,
        url: `${base}/oidc/setup/${link.token.reveal()}`,
        expire_time: rfc3339(link.expireTime),
      })
    },
  }),
]
