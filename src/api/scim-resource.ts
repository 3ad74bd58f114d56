/** Principals as SCIM resources (RFC 7643): rendered, and read back from what clients send. */
import { z } from 'zod'
import { Fault } from '../domain/faults.ts'
import type { DirectoryEntry, PrincipalKind, PrincipalRef, Profile } from '../domain/principal.ts'
import { defined, flag, line, word } from './fields.ts'
import type { ScimResource } from './scim-filter.ts'

const urn = 'urn:ietf:params:scim:schemas:core:2.0:'

/** Where principals of a kind are, and how they are called. */
export const collections = {
  USER: { name: 'Users', noun: 'user', one: 'User', schema: `${urn}User`, attribute: 'userName' },
  SERVICE_PRINCIPAL: {
    name: 'ServicePrincipals',
    one: 'ServicePrincipal',
    noun: 'service principal',
    schema: `${urn}ServicePrincipal`,
    attribute: 'applicationId',
  },
  GROUP: {
    name: 'Groups',
    noun: 'group',
    one: 'Group',
    schema: `${urn}Group`,
    attribute: 'displayName',
  },
} as const satisfies Record<PrincipalKind, object>

export function render(entry: DirectoryEntry): ScimResource {
  const { kind, uid, loginName, displayName, isActive, profile } = entry
  const { givenName, familyName, externalId, entitlements = [], roles = [] } = profile
  const common = {
    schemas: [collections[kind].schema],
    id: uid,
    displayName,
    ...defined({ externalId }),
    ...(entitlements.length > 0 ? { entitlements: entitlements.map((value) => ({ value })) } : {}),
    ...(roles.length > 0 ? { roles: roles.map((value) => ({ value })) } : {}),
    groups: entry.groups.map(renderGroup),
  }
  switch (kind) {
    case 'USER':
      return {
        ...common,
        userName: loginName,
        active: isActive,
        name: { givenName: givenName ?? displayName, ...defined({ familyName }) },
        emails: [{ value: loginName, primary: true, type: 'work' }],
      }
    case 'SERVICE_PRINCIPAL':
      return { ...common, applicationId: loginName, active: isActive }
    case 'GROUP':
      return {
        ...common,
        members: entry.members.map(renderMember),
        meta: { resourceType: 'WorkspaceGroup' },
      }
  }
}

/** Here a service principal has a `userName` too: its application id. */
export const renderMe = (entry: DirectoryEntry): ScimResource => ({
  ...render(entry),
  userName: entry.loginName,
})

const renderGroup = ({ uid, loginName }: PrincipalRef) => ({
  display: loginName,
  value: uid,
  type: 'direct',
  $ref: `Groups/${uid}`,
})

const renderMember = ({ uid, kind, displayName }: PrincipalRef) => ({
  display: displayName,
  value: uid,
  $ref: `${collections[kind].name}/${uid}`,
})

/** `[{}]` and `[{value: ""}]` are how some clients say "none". */
const values = (max: number) =>
  z
    .array(z.object({ value: line(0, 256).optional() }))
    .max(max)
    .transform((items) => [
      ...new Set(items.flatMap(({ value }) => (value === undefined || value === '' ? [] : value))),
    ])
    .optional()

const common = {
  displayName: line(1, 256).optional(),
  externalId: line(0, 256).optional(),
  entitlements: values(100),
  roles: values(100),
  groups: values(1000),
} as const

const ofIdentity = {
  ...common,
  active: flag.optional(),
  name: z
    .object({ givenName: line(0, 256).optional(), familyName: line(0, 256).optional() })
    .optional(),
} as const

/** What a client may send, in POST and PUT; the rest is ignored. */
export const userBody = z
  .object({ ...ofIdentity, userName: line(0, 10_000).optional() })
  .meta({ id: 'UserChange' })
export const servicePrincipalBody = z
  .object({ ...ofIdentity, applicationId: line(0, 10_000).optional() })
  .meta({ id: 'ServicePrincipalChange' })
export type IdentityBody = z.output<typeof userBody> &
  Pick<z.output<typeof servicePrincipalBody>, 'applicationId'>

export const groupBody = z
  .object({
    ...common,
    displayName: line(0, 10_000).optional(),
    members: values(10_000),
  })
  .meta({ id: 'GroupChange' })

/** Some clients write `Add`. */
const patchVerb = word(['add', 'remove', 'replace'])

export const patchBody = z
  .object({
    Operations: z
      .array(
        z.object({
          op: patchVerb,
          path: line(0, 1200).optional(),
          value: z.unknown().optional(),
        }),
      )
      .min(1, 'it must hold at least one operation')
      .max(1000),
  })
  .meta({ id: 'ScimPatch' })

/** Everything that is kept without a meaning here; what is absent is forgotten. */
export const profileOf = (
  body: Partial<Pick<IdentityBody, 'externalId' | 'entitlements' | 'roles' | 'name'>>,
): Profile => ({
  ...defined({
    externalId: body.externalId === '' ? undefined : body.externalId,
    givenName: body.name?.givenName,
    familyName: body.name?.familyName,
  }),
  ...(body.entitlements?.length ? { entitlements: body.entitlements } : {}),
  ...(body.roles?.length ? { roles: body.roles } : {}),
})

/** A name is a Postgres role in every branch where it was used: it stays. */
export function mustStay(entry: DirectoryEntry, name: string | undefined): void {
  if (name === undefined || name.toLowerCase() === entry.loginName.toLowerCase()) return
  throw new Fault('FIELD_IMMUTABLE', { field: collections[entry.kind].attribute })
}
