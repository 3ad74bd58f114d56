/** Roles of a branch. */
import { z } from 'zod'
import type { Actions, CreateRole } from '../actions/actions.ts'
import type { MaskFields } from '../domain/field-mask.ts'
import { parseRoleId } from '../domain/names.ts'
import { authMethods, roleIdentityTypes } from '../domain/role.ts'
import { base } from './base-path.ts'
import { defined, flag, queryFlag, sqlName } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
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

const creation = z.object({
  spec: z
    .object({
      ...changeable,
      postgres_role: sqlName('app').optional(),
      identity_type: z.enum(['IDENTITY_TYPE_UNSPECIFIED', ...roleIdentityTypes]).optional(),
      auth_method: z.enum(['AUTH_METHOD_UNSPECIFIED', ...authMethods]).optional(),
    })
    .default({}),
})

const update = z.object({ spec: z.object(changeable).default({}) })

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
    access: 'identity',
    query: z.object({
      role_id: z
        .string()
        .optional()
        .transform((id) => (id === undefined || id === '' ? undefined : parseRoleId(id))),
      replace_existing: queryFlag.optional(),
    }),
    body: { schema: creation, wrapper: 'role' },
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
    access: 'identity',
    query: pageQuery,
    handle: async ({ caller, params, query }) =>
      ok(renderPage('roles', await actions.listRoles(caller, params, readPage(query)))),
  }),
  route({
    method: 'GET',
    path: one,
    summary: 'Get a role',
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getRole(caller, params)),
  }),
  route({
    method: 'PATCH',
    path: one,
    summary: 'Update a role',
    access: 'identity',
    query: z.object({ update_mask: z.string().optional() }),
    body: { schema: update, wrapper: 'role', mask: roleMask },
    subject: ({ caller, params }) => actions.getRole(caller, params),
    handle: async ({ caller, params, body: { spec } }) =>
      ok(await actions.updateRole(caller, params, readChanges(spec))),
  }),
  route({
    method: 'DELETE',
    path: one,
    summary: 'Delete a role',
    access: 'identity',
    query: z.object({ reassign_owned_to: z.string().optional() }),
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
