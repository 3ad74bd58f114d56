/** Roles of a branch. */
import { z } from 'zod'
import type { Actions, CreateRole } from '../actions/actions.ts'
import type { MaskFields } from '../domain/field-mask.ts'
import { parseRoleId } from '../domain/names.ts'
import { authMethods, roleIdentityTypes } from '../domain/role.ts'
import { base } from './base-path.ts'
import { defined, flag, maskQuery, newChildId, queryFlag, sqlName } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { roleOperation, rolePage, rolePassword, roleResource } from './role-resource.ts'
import { ok, type Route, route } from './route.ts'

const changeable = {
  attributes: z
    .object({
      createdb: flag.optional(),
      createrole: flag.optional(),
      bypassrls: flag.optional(),
    })
    .optional(),
  membership_roles: z
    .array(z.enum(['DATABRICKS_SUPERUSER']))
    .max(10)
    .optional(),
}

const creation = z
  .object({
    spec: z
      .object({
        ...changeable,
        postgres_role: sqlName('app').optional(),
        identity_type: z.enum(['IDENTITY_TYPE_UNSPECIFIED', ...roleIdentityTypes]).optional(),
        auth_method: z.enum(['AUTH_METHOD_UNSPECIFIED', ...authMethods]).optional(),
      })
      .default({})
      .meta({ writeOnly: true }),
  })
  .meta({ id: 'RoleCreate' })

const update = z
  .object({ spec: z.object(changeable).default({}).meta({ writeOnly: true }) })
  .meta({ id: 'RoleUpdate' })

/** What a role is called and how it logs in are not even paths of its mask, as on the service. */
export const roleMask: MaskFields = {
  leaves: [
    'spec.attributes.createdb',
    'spec.attributes.createrole',
    'spec.attributes.bypassrls',
    'spec.membership_roles',
  ],
  groups: {},
  immutable: [],
  ignored: [],
}

const parent = `${base}/projects/{project}/branches/{branch}/roles` as const
const one = `${parent}/{role}` as const

export const roleRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'POST',
    path: parent,
    summary: 'Create a role',
    description:
      'Without `identity_type` it is a role of its own, which logs in by password; no answer shows that one. Rights (`attributes`, `membership_roles`) are given by who may manage the branch.',
    operationId: 'createRole',
    tag: 'Roles',
    reply: { 200: roleOperation },
    refusals: [
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
      'CHILD_ID_INVALID',
      'ROLE_EXISTS',
      'ROLE_KIND_MIXED',
      'FIELD_IMMUTABLE',
      'LIMIT_REACHED',
    ],
    access: 'identity',
    query: z.object({
      role_id: newChildId('role', 'app', parseRoleId),
      replace_existing: queryFlag
        .optional()
        .describe('Update the role of this id, if there is one.'),
    }),
    body: { schema: creation, wrapper: 'role', example: { spec: { postgres_role: 'app' } } },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, query, body: { spec } }) =>
      ok(
        await actions.createRole(caller, {
          branch: params,
          roleId: query.role_id,
          spec: readCreation(spec),
          replaceExisting: query.replace_existing ?? false,
        }),
      ),
  }),
  route({
    method: 'GET',
    path: parent,
    summary: 'List roles',
    description:
      'A compute that sleeps is woken: roles are in the Postgres of the branch. What SQL made is among them.',
    operationId: 'listRoles',
    tag: 'Roles',
    reply: { 200: rolePage },
    refusals: [
      'PAGE_TOKEN_UNKNOWN',
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    query: pageQuery,
    handle: async ({ caller, params, query }) =>
      ok(renderPage('roles', await actions.listRoles(caller, params, readPage(query)))),
  }),
  route({
    method: 'GET',
    path: one,
    summary: 'Get a role',
    operationId: 'getRole',
    tag: 'Roles',
    reply: { 200: roleResource },
    refusals: [
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getRole(caller, params)),
  }),
  route({
    method: 'PATCH',
    path: one,
    summary: 'Update a role',
    operationId: 'updateRole',
    tag: 'Roles',
    reply: { 200: roleOperation },
    refusals: [
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    query: maskQuery,
    body: {
      schema: update,
      wrapper: 'role',
      mask: roleMask,
      example: { spec: { attributes: { createdb: true } } },
    },
    subject: ({ caller, params }) => actions.getRole(caller, params),
    handle: async ({ caller, params, body: { spec } }) =>
      ok(await actions.updateRole(caller, params, readChanges(spec))),
  }),
  route({
    method: 'DELETE',
    path: one,
    summary: 'Delete a role',
    description:
      'One that owns something needs `reassign_owned_to`. What was granted to it is taken back, and its sessions end.',
    operationId: 'deleteRole',
    tag: 'Roles',
    reply: { 200: roleOperation },
    refusals: [
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
      'ROLE_OWNS_OBJECTS',
      'OWNER_ROLE_STAYS',
      'ROLE_REFERENCE_NOT_FOUND',
      'ROLE_OTHER_BRANCH',
      'ROLE_REASSIGN_SELF',
      'NAME_INVALID',
    ],
    access: 'identity',
    query: z.object({
      reassign_owned_to: z
        .string()
        .optional()
        .describe('Who owns from then on what it owned: the full name of a role of the branch.'),
    }),
    handle: async ({ caller, params, query }) =>
      ok(
        await actions.deleteRole(caller, params, {
          reassignOwnedTo: query.reassign_owned_to || undefined,
        }),
      ),
  }),
  route({
    method: 'POST',
    path: `${one}/renew-password`,
    summary: 'Give a role a new password, shown once',
    description:
      'Ours beside the contract, in which no call shows a password. In SQL: `ALTER ROLE … PASSWORD`.',
    operationId: 'renewRolePassword',
    tag: 'Roles',
    reply: { 200: rolePassword },
    refusals: [
      'SOURCE_NOT_READY',
      'ENDPOINT_DISABLED',
      'COMPUTE_FAILED',
      'BRANCH_DATA_MISSING',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_UNAVAILABLE',
      'ROLE_HAS_NO_PASSWORD',
    ],
    access: 'identity',
    async handle({ caller, params }) {
      const { postgresRole, password } = await actions.renewRolePassword(caller, params)
      return ok({ postgres_role: postgresRole, password: password.reveal() })
    },
  }),
]

type Changes = z.output<typeof update>['spec']

const readChanges = ({ attributes, membership_roles: memberships }: Changes) =>
  defined({
    attributes: attributes === undefined ? undefined : defined(attributes),
    isSuperuserMember: memberships?.includes('DATABRICKS_SUPERUSER'),
  })

const readCreation = (spec: z.output<typeof creation>['spec']): CreateRole['spec'] =>
  defined({
    ...readChanges(spec),
    postgresRole: spec.postgres_role,
    identityType: spec.identity_type,
    authMethod: spec.auth_method === 'AUTH_METHOD_UNSPECIFIED' ? undefined : spec.auth_method,
  })
