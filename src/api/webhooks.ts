/** Web addresses that are told that a branch ends soon: ours, beside the contract. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { base } from './base-path.ts'
import { line } from './fields.ts'
import { int64, moment, resourceName, uuid } from './reply-fields.ts'
import { noBody, ok, type Route, route } from './route.ts'

const path = `${base}/projects/{project}/webhooks` as const

const creation = z
  .object({ url: line(1, 2000).describe('`https://…`, or `http://…`.') })
  .meta({ id: 'WebhookCreate' })

const resource = z.strictObject({
  name: resourceName('projects/app/webhooks/0193a5c0-0000-7000-8000-000000000000'),
  uid: uuid,
  url: z.string(),
  create_time: moment,
  last_time: moment.optional().meta({ description: 'When an event was sent last.' }),
  last_problem: z
    .string()
    .optional()
    .meta({ description: 'What was wrong then; absent: it arrived.' }),
  lost: int64.meta({ description: 'Events that were given up after a day.' }),
})
const webhook = resource.meta({ id: 'Webhook', description: 'Where events are sent to.' })
const withSecret = resource
  .extend({ secret: z.string().meta({ description: 'Signs each event. Shown once.' }) })
  .meta({ id: 'NewWebhook' })

export const webhookRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'POST',
    path,
    summary: 'Create a webhook',
    description:
      'It gets a POST with `{"type": "branch.ends_soon", …}` before a branch of the project ends, signed as standardwebhooks.com says (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Anything but a 2xx is tried again for a day; the same `webhook-id` may come twice.',
    operationId: 'createWebhook',
    tag: 'Branches',
    reply: { 200: withSecret },
    refusals: ['WEBHOOKS_TOO_MANY'],
    access: 'identity',
    body: {
      schema: creation,
      wrapper: 'webhook',
      example: { url: 'https://example.com/lakelet' },
    },
    subject: ({ caller, params }) => actions.getProject(caller, params),
    async handle({ caller, params, body }) {
      const made = await actions.createWebhook(caller, params, { url: readUrl(body.url) })
      return ok({ ...made.webhook, secret: made.secret.reveal() })
    },
  }),
  route({
    method: 'GET',
    path,
    summary: 'List webhooks',
    operationId: 'listWebhooks',
    tag: 'Branches',
    reply: { 200: z.strictObject({ webhooks: z.array(webhook) }).meta({ id: 'Webhooks' }) },
    access: 'identity',
    handle: async ({ caller, params }) =>
      ok({ webhooks: await actions.listWebhooks(caller, params) }),
  }),
  route({
    method: 'DELETE',
    path: `${path}/{webhook}`,
    summary: 'Delete a webhook',
    description: 'What it has not got yet goes with it.',
    operationId: 'deleteWebhook',
    tag: 'Branches',
    reply: { 204: noBody },
    refusals: ['WEBHOOK_NOT_FOUND'],
    access: 'identity',
    async handle({ caller, params }) {
      await actions.deleteWebhook(caller, params, params.webhook)
      return { status: 204 }
    },
  }),
]

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isGood = /^https?:$/.test(url?.protocol ?? '') && url?.username === '' && url.hash === ''
  if (isGood && url?.password === '') return text
  throw new Fault('FIELD_INVALID', {
    field: 'url',
    problem: 'it must be an address such as "https://example.com/lakelet", without a user',
  })
}
