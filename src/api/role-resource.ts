/** A role as answers show it: `domain/role.ts` renders it. */
import { z } from 'zod'
import { authMethods, roleIdentityTypes } from '../domain/role.ts'
import { operationOn } from './operation-resource.ts'
import { childId, moment, pageOf, resourceName } from './reply-fields.ts'

const status = z.strictObject({
  role_id: childId,
  postgres_role: z.string().meta({ description: 'Its name in Postgres.' }),
  identity_type: z
    .enum(['IDENTITY_TYPE_UNSPECIFIED', ...roleIdentityTypes])
    .meta({ description: '`IDENTITY_TYPE_UNSPECIFIED`: a role of its own.' }),
  auth_method: z.enum(authMethods),
  membership_roles: z.array(z.enum(['DATABRICKS_SUPERUSER'])).optional(),
  attributes: z.strictObject({
    createdb: z.boolean(),
    createrole: z.boolean(),
    bypassrls: z.boolean(),
  }),
})

export const roleResource = z
  .strictObject({
    name: resourceName('projects/app/branches/dev/roles/jane-doe'),
    role_id: childId,
    parent: resourceName('projects/app/branches/dev'),
    create_time: moment,
    update_time: moment,
    status: status.meta({ readOnly: true }),
  })
  .meta({ id: 'Role', description: "A role of a branch, kept in the branch's own Postgres." })

export const rolePage = pageOf('roles', roleResource).meta({ id: 'RolePage' })
export const roleOperation = operationOn('Role', roleResource)

export const rolePassword = z
  .strictObject({
    postgres_role: z.string(),
    password: z.string().meta({ description: 'Shown this once, and kept nowhere.' }),
  })
  .meta({ id: 'RolePassword' })
