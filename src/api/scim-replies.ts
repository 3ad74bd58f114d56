/**
 * Principals as answers show them, in SCIM (RFC 7643). Whoever asks for some attributes gets only
 * those, so nothing but `id` and `schemas` is certain to be there.
 */
import { z } from 'zod'

const schemasOf = <const Name extends string>(name: Name) =>
  z.array(z.literal(`urn:ietf:params:scim:schemas:core:2.0:${name}`))

const valuesOf = z.array(z.strictObject({ value: z.string() }))

/** Loose for `$ref`: programs that read API documents take a property of that name for a reference. */
const groups = z.array(
  z.looseObject({
    display: z.string(),
    value: z.string().meta({ description: 'The id of the group.' }),
    type: z.literal('direct'),
  }),
)

const common = {
  id: z.string(),
  displayName: z.string().optional(),
  externalId: z.string().optional(),
  entitlements: valuesOf.optional(),
  roles: valuesOf.optional(),
  groups: groups.optional(),
} as const

const ofUser = {
  userName: z.string().optional().meta({ description: 'The e-mail address that logs in.' }),
  active: z.boolean().optional(),
  name: z
    .strictObject({ givenName: z.string().optional(), familyName: z.string().optional() })
    .optional(),
  emails: z
    .array(z.strictObject({ value: z.string(), primary: z.boolean(), type: z.literal('work') }))
    .optional(),
} as const

const applicationId = z.string().optional().meta({ description: 'What logs in: a UUID.' })

export const replies = {
  USER: z.strictObject({ schemas: schemasOf('User'), ...common, ...ofUser }).meta({ id: 'User' }),
  SERVICE_PRINCIPAL: z
    .strictObject({
      schemas: schemasOf('ServicePrincipal'),
      ...common,
      applicationId,
      active: z.boolean().optional(),
    })
    .meta({ id: 'ServicePrincipal' }),
  GROUP: z
    .strictObject({
      schemas: schemasOf('Group'),
      ...common,
      members: z.array(z.looseObject({ display: z.string(), value: z.string() })).optional(),
      meta: z.strictObject({ resourceType: z.literal('WorkspaceGroup') }).optional(),
    })
    .meta({ id: 'Group' }),
} as const

/** Here a service principal has a `userName` too. */
export const meReply = z
  .strictObject({
    schemas: z.union([schemasOf('User'), schemasOf('ServicePrincipal')]),
    ...common,
    ...ofUser,
    applicationId,
  })
  .meta({ id: 'Me' })

const listReply = (name: string, resource: z.ZodType) =>
  z
    .strictObject({
      schemas: z.array(z.literal('urn:ietf:params:scim:api:messages:2.0:ListResponse')),
      totalResults: z.int().min(0),
      startIndex: z.int().min(1),
      itemsPerPage: z.int().min(0),
      Resources: z.array(resource),
    })
    .meta({ id: `${name}List` })

export const listReplies = {
  USER: listReply('User', replies.USER),
  SERVICE_PRINCIPAL: listReply('ServicePrincipal', replies.SERVICE_PRINCIPAL),
  GROUP: listReply('Group', replies.GROUP),
} as const
