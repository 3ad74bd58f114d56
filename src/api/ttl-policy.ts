/** How long branches of a project may live, by their id and by who asks: ours, beside the contract. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { days, minutes } from '../lib/time.ts'
import { base } from './base-path.ts'
import { duration, line } from './fields.ts'
import { resourceName, seconds } from './reply-fields.ts'
import { ok, type Route, route } from './route.ts'

const path = `${base}/projects/{project}/ttl-policy` as const

const length = duration(minutes(1), days(365), '21600s')

const rule = z.object({
  match: line(1, 63).describe('Pattern of branch ids: `*` is any text, `?` any character.'),
  default_ttl: length
    .optional()
    .describe('Of a create that names no end. Default: what the server says.'),
  max_ttl: length
    .optional()
    .describe('The longest from now, also of a renewal; `no_expiry` is refused then.'),
  who: z
    .array(line(1, 256))
    .max(100)
    .optional()
    .describe('Login names and names of groups that it is for. Default: everybody.'),
})

const policy = z.object({ rules: z.array(rule).max(64) }).meta({ id: 'TtlPolicyUpdate' })

const policyResource = z
  .strictObject({
    name: resourceName('projects/app/ttl-policy'),
    rules: z.array(
      z
        .strictObject({
          match: z.string(),
          default_ttl: seconds.optional(),
          max_ttl: seconds.optional(),
          who: z.array(z.string()).optional(),
        })
        .meta({ id: 'TtlRule' }),
    ),
  })
  .meta({
    id: 'TtlPolicy',
    description:
      'How long branches may live: the first rule counts that fits the id of the branch and whoever asks.',
  })

export const ttlPolicyRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'GET',
    path,
    summary: 'Get how long branches may live',
    operationId: 'getTtlPolicy',
    tag: 'Branches',
    reply: { 200: policyResource },
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getTtlPolicy(caller, params)),
  }),
  route({
    method: 'PUT',
    path,
    summary: 'Set how long branches may live',
    description:
      'As a whole. The rules narrow what the server allows. Branches that are there keep their ends until somebody changes these.',
    operationId: 'setTtlPolicy',
    tag: 'Branches',
    reply: { 200: policyResource },
    refusals: ['IDENTITY_NOT_FOUND'],
    access: 'identity',
    body: {
      schema: policy,
      example: { rules: [{ match: 'pr-*', default_ttl: '21600s', max_ttl: '259200s' }] },
    },
    subject: ({ caller, params }) => actions.getProject(caller, params),
    async handle({ caller, params, body: { rules } }) {
      const asked = rules.map(({ match, default_ttl, max_ttl, who = [] }) => ({
        match,
        default: default_ttl,
        maximum: max_ttl,
        who,
      }))
      return ok(await actions.setTtlPolicy(caller, params, asked))
    },
  }),
]
