/** Identities in SCIM (RFC 7643, RFC 7644), as far as clients of a workspace use it. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import type { Identity, IdentityKind } from '../domain/identity.ts'
import { printable } from '../domain/names.ts'
import { flag, line } from './fields.ts'
import { noBody, ok, type Route, route } from './route.ts'
import {
  listOf,
  meResource,
  scimSchemas as schemas,
  servicePrincipalResource,
  userResource,
} from './scim-resources.ts'

const base = '/api/2.0/preview/scim/v2'

/** SCIM's list parameters; a page beyond the end is empty, which is how the SDKs stop. */
const listQuery = z.object({
  filter: line(0, 1000).optional(),
  startIndex: z
    .string()
    .regex(/^\d{1,9}$/, 'it must be a whole number')
    .optional(),
  count: z
    .string()
    .regex(/^\d{1,9}$/, 'it must be a whole number')
    .optional(),
})

const user = z
  .object({
    userName: line(3, 256).describe('An e-mail address of at most 63 bytes.'),
    displayName: line(1, 256).optional(),
    active: flag.optional(),
  })
  .meta({ id: 'UserCreate' })

const servicePrincipal = z
  .object({
    applicationId: z.uuid('it must be a UUID').optional().describe('Default: a new one.'),
    displayName: line(1, 256).optional(),
    active: flag.optional(),
  })
  .meta({ id: 'ServicePrincipalCreate' })

export const scimRoutes = (actions: Actions, workspaceId: string): readonly Route[] => [
  route({
    method: 'GET',
    path: `${base}/Me`,
    summary: 'Who am I',
    operationId: 'getMe',
    tag: 'Identities',
    reply: { 200: meResource },
    access: 'identity',
    handle: ({ caller }) =>
      // Terraform and the Go SDK read the workspace id from this header.
      ok(renderMe(caller.identity), { 'X-Databricks-Org-Id': workspaceId }),
  }),
  route({
    method: 'POST',
    path: `${base}/Users`,
    summary: 'Create a user',
    operationId: 'createUser',
    tag: 'Identities',
    reply: { 201: userResource },
    refusals: ['IDENTITY_EXISTS', 'PERMISSION_DENIED'],
    access: 'identity',
    body: {
      schema: user,
      keepsNames: true,
      example: { userName: 'jane.doe@example.com', displayName: 'Jane Doe' },
    },
    async handle({ caller, body }) {
      const loginName = checkUserName(body.userName)
      checkActive(body.active)
      const identity = await actions.createIdentity(caller, {
        kind: 'USER',
        loginName,
        displayName: body.displayName ?? loginName,
      })
      return { status: 201, body: render(identity) }
    },
  }),
  route({
    method: 'POST',
    path: `${base}/ServicePrincipals`,
    summary: 'Create a service principal',
    operationId: 'createServicePrincipal',
    tag: 'Identities',
    reply: { 201: servicePrincipalResource },
    refusals: ['IDENTITY_EXISTS', 'PERMISSION_DENIED'],
    access: 'identity',
    body: {
      schema: servicePrincipal,
      keepsNames: true,
      example: { displayName: 'deploy' },
    },
    async handle({ caller, body }) {
      const loginName = body.applicationId?.toLowerCase() ?? randomUUID()
      checkActive(body.active)
      const identity = await actions.createIdentity(caller, {
        kind: 'SERVICE_PRINCIPAL',
        loginName,
        displayName: body.displayName ?? loginName,
      })
      return { status: 201, body: render(identity) }
    },
  }),
  ...identityRoutes(actions, 'USER'),
  ...identityRoutes(actions, 'SERVICE_PRINCIPAL'),
]

/** Where identities of a kind are, and which attribute names them. */
const collections = {
  USER: {
    path: `${base}/Users`,
    attribute: 'userName',
    noun: 'user',
    name: 'User',
    resource: userResource,
  },
  SERVICE_PRINCIPAL: {
    path: `${base}/ServicePrincipals`,
    attribute: 'applicationId',
    noun: 'service principal',
    name: 'ServicePrincipal',
    resource: servicePrincipalResource,
  },
} as const

function identityRoutes(actions: Actions, kind: IdentityKind): readonly Route[] {
  const { path, attribute, noun, name, resource } = collections[kind]
  const one = `${path}/{id}` as const
  return [
    route({
      method: 'GET',
      path,
      summary: `List ${noun}s`,
      operationId: `list${name}s`,
      tag: 'Identities',
      reply: { 200: listOf(name, resource) },
      access: 'identity',
      query: listQuery,
      async handle({ caller, query }) {
        const wanted = readFilter(query.filter, attribute)
        const all = (await actions.listIdentities(caller, kind)).filter(
          ({ loginName }) => wanted === undefined || sameName(loginName, wanted),
        )
        const start = Math.max(1, Number(query.startIndex ?? 1))
        const count = query.count === undefined ? all.length : Number(query.count)
        const page = all.slice(start - 1, start - 1 + count)
        return ok({
          schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
          totalResults: all.length,
          startIndex: start,
          itemsPerPage: page.length,
          Resources: page.map(render),
        })
      },
    }),
    route({
      method: 'GET',
      path: one,
      summary: `Get a ${noun}`,
      operationId: `get${name}`,
      tag: 'Identities',
      reply: { 200: resource },
      refusals: ['IDENTITY_NOT_FOUND'],
      access: 'identity',
      handle: async ({ caller, params }) =>
        ok(render(ofKind(await actions.getIdentity(caller, params.id), kind))),
    }),
    route({
      method: 'DELETE',
      path: one,
      summary: `Delete a ${noun}`,
      operationId: `delete${name}`,
      tag: 'Identities',
      reply: { 204: noBody },
      refusals: ['IDENTITY_NOT_FOUND', 'PERMISSION_DENIED'],
      access: 'identity',
      async handle({ caller, params }) {
        ofKind(await actions.getIdentity(caller, params.id), kind)
        await actions.deleteIdentity(caller, params.id)
        return { status: 204 }
      },
    }),
  ]
}

/** A user is no service principal, whatever its id. */
function ofKind(identity: Identity, kind: IdentityKind): Identity {
  if (identity.kind === kind) return identity
  throw new Fault('IDENTITY_NOT_FOUND', { name: identity.uid })
}

/** It becomes the name of a Postgres role, which holds 63 bytes. */
function checkUserName(name: string): string {
  const problem = !/^[^\s@"]+@[^\s@"]+$/.test(name)
    ? 'it must be an e-mail address'
    : Buffer.byteLength(name) > 63
      ? 'it must have at most 63 bytes, since it becomes the name of a Postgres role'
      : undefined
  if (problem === undefined) return name
  throw new Fault('FIELD_INVALID', { field: 'userName', problem })
}

function checkActive(active: boolean | undefined): void {
  if (active !== false) return
  throw new Fault('FIELD_INVALID', {
    field: 'active',
    problem: 'an identity is active from the start; delete it to end its access',
  })
}

/** `userName eq "x"`: the one filter that clients need. Attribute and operator ignore case. */
function readFilter(filter: string | undefined, attribute: string): string | undefined {
  if (filter === undefined || filter.trim() === '') return undefined
  const match = /^\s*(\w+)\s+eq\s+"((?:[^"\\]|\\["\\])*)"\s*$/i.exec(filter)
  const [, name = '', value = ''] = match ?? []
  if (match === null || name.toLowerCase() !== attribute.toLowerCase()) {
    throw new Fault('FIELD_INVALID', {
      field: 'filter',
      problem: `'${printable(filter)}' is not supported; use ${attribute} eq "…"`,
    })
  }
  return value.replace(/\\(.)/g, '$1')
}

const sameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

function render(identity: Identity) {
  const { kind, uid, loginName, displayName } = identity
  return {
    schemas: [schemas[kind]],
    id: uid,
    ...(kind === 'USER' ? { userName: loginName } : { applicationId: loginName }),
    displayName,
    active: identity.isActive,
    ...(kind === 'USER' ? { emails: emailsOf(loginName) } : {}),
    groups: groupsOf(identity),
  }
}

/** Here a service principal has a `userName` too: its application id. */
const renderMe = (identity: Identity) => ({
  ...render(identity),
  userName: identity.loginName,
  name: { givenName: identity.displayName },
})

const emailsOf = (address: string) => [{ value: address, primary: true, type: 'work' }]

const groupsOf = ({ isAdmin }: Identity) =>
  isAdmin ? [{ display: 'admins', value: 'admins' }] : []
