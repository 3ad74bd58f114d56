/** Identities as answers show them, in SCIM (RFC 7643). */
import { z } from 'zod'

export const scimSchemas = {
  USER: 'urn:ietf:params:scim:schemas:core:2.0:User',
  SERVICE_PRINCIPAL: 'urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal',
} as const

const common = {
  id: z.string(),
  displayName: z.string(),
  active: z.boolean(),
  groups: z.array(z.strictObject({ display: z.string(), value: z.string() })),
} as const

const emails = z.array(
  z.strictObject({ value: z.string(), primary: z.boolean(), type: z.literal('work') }),
)

export const userResource = z
  .strictObject({
    schemas: z.array(z.literal(scimSchemas.USER)),
    ...common,
    userName: z.string().meta({ description: 'The e-mail address that logs in.' }),
    emails,
  })
  .meta({ id: 'User' })

export const servicePrincipalResource = z
  .strictObject({
    schemas: z.array(z.literal(scimSchemas.SERVICE_PRINCIPAL)),
    ...common,
    applicationId: z.string().meta({ description: 'What logs in: a UUID.' }),
  })
  .meta({ id: 'ServicePrincipal' })

/** Here a service principal has a `userName` too. */
export const meResource = z
  .strictObject({
    schemas: z.array(z.enum(Object.values(scimSchemas))),
    ...common,
    userName: z.string(),
    applicationId: z.string().optional(),
    emails: emails.optional(),
    name: z.strictObject({ givenName: z.string() }),
  })
  .meta({ id: 'Me' })

export const listOf = (name: string, resource: z.ZodType) =>
  z
    .strictObject({
      schemas: z.array(z.literal('urn:ietf:params:scim:api:messages:2.0:ListResponse')),
      totalResults: z.int().min(0),
      startIndex: z.int().min(1),
      itemsPerPage: z.int().min(0),
      Resources: z.array(resource),
    })
    .meta({ id: `${name}List` })
