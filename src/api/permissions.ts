/** Who may do what with a project. Paths hold the bare project id, as clients send it. */
import { z } from 'zod'
import type { AccessEntry, Actions, SetAccessEntry } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { permissionLevels } from '../domain/identity.ts'
import type { ProjectId } from '../domain/names.ts'
import { line } from './fields.ts'
import { ok, type Route, route } from './route.ts'

const path = '/api/2.0/permissions/database-projects/{project}'

const nameFields = {
  USER: 'user_name',
  SERVICE_PRINCIPAL: 'service_principal_name',
  GROUP: 'group_name',
} as const
const principals = Object.values(nameFields)

const level = z.enum(permissionLevels).meta({
  id: 'PermissionLevel',
  description: 'Each includes those before it.',
})

const entry = z
  .object({
    user_name: line(1, 256).optional(),
    service_principal_name: line(1, 256).optional(),
    group_name: line(1, 256).optional(),
    permission_level: level,
  })
  .meta({ id: 'AccessControlRequest', description: 'One of the three names.' })

// Required, so that a PUT that forgot the list does not take everyone's access away.
const accessList = z
  .object({ access_control_list: z.array(entry).max(1000) })
  .meta({ id: 'PermissionsChange' })

const shown = z.strictObject({
  user_name: z.string().optional(),
  service_principal_name: z.string().optional(),
  group_name: z.string().optional(),
  display_name: z.string(),
  all_permissions: z.array(
    z.strictObject({
      permission_level: level,
      inherited: z.boolean(),
      inherited_from_object: z.array(z.string()).optional(),
    }),
  ),
})

const accessListResource = z
  .strictObject({
    object_id: z.string().meta({ examples: ['/database-projects/app'] }),
    object_type: z.literal('database-projects'),
    access_control_list: z.array(shown),
  })
  .meta({ id: 'Permissions' })

const levelsReply = z
  .strictObject({
    permission_levels: z.array(
      z.strictObject({ permission_level: level, description: z.string() }),
    ),
  })
  .meta({ id: 'PermissionLevelList' })

const descriptions = {
  CAN_USE: 'Can see the project and its branches, and log in to them',
  CAN_BRANCH: 'Can also make branches that end, and do with these as it likes',
  CAN_MANAGE: 'Can do everything with the project, its branches and its permissions',
} as const

export const permissionRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'GET',
    path,
    summary: "Get a project's permissions",
    operationId: 'getPermissions',
    tag: 'Permissions',
    reply: { 200: accessListResource },
    access: 'identity',
    handle: async ({ caller, params: { project } }) =>
      ok(render(project, await actions.getAccess(caller, project))),
  }),
  route({
    method: 'GET',
    path: `${path}/permissionLevels`,
    summary: 'List the permissions that a project knows',
    operationId: 'listPermissionLevels',
    tag: 'Permissions',
    reply: { 200: levelsReply },
    access: 'identity',
    handle: async ({ caller, params: { project } }) => {
      await actions.getAccess(caller, project) // of a project that is not there there are none
      return ok({
        permission_levels: permissionLevels.map((level) => ({
          permission_level: level,
          description: descriptions[level],
        })),
      })
    },
  }),
  ...(['PUT', 'PATCH'] as const).map((method) =>
    route({
      method,
      path,
      summary:
        method === 'PUT' ? "Replace a project's permissions" : 'Add permissions to a project',
      operationId: method === 'PUT' ? 'setPermissions' : 'updatePermissions',
      tag: 'Permissions',
      reply: { 200: accessListResource },
      refusals: ['IDENTITY_NOT_FOUND'],
      access: 'identity',
      body: {
        schema: accessList,
        example: {
          access_control_list: [
            { user_name: 'jane.doe@example.com', permission_level: 'CAN_BRANCH' },
          ],
        },
      },
      subject: ({ caller, params: { project } }) => actions.getAccess(caller, project),
      async handle({ caller, params: { project }, body }) {
        const entries = body.access_control_list.map(readEntry)
        const options = { replace: method === 'PUT' }
        return ok(render(project, await actions.setAccess(caller, project, entries, options)))
      },
    }),
  ),
]

function readEntry(given: z.output<typeof entry>, index: number): SetAccessEntry {
  const field = `access_control_list.${index}`
  const named = principals.filter((principal) => given[principal] !== undefined)
  if (named.length > 1) {
    const problem = `only one of ${named.join(' and ')} may be set`
    throw new Fault('FIELD_INVALID', { field, problem })
  }
  const name = given.user_name ?? given.service_principal_name ?? given.group_name
  if (name === undefined) throw new Fault('FIELD_REQUIRED', { field: `${field}.user_name` })
  return { name, isGroup: given.group_name !== undefined, level: given.permission_level }
}

/** Administrators may manage everything: shown as what comes from above, as the service does. */
const inherited = {
  permission_level: 'CAN_MANAGE',
  inherited: true,
  inherited_from_object: ['/database-projects/'],
} as const

const render = (project: ProjectId, entries: readonly AccessEntry[]) => {
  const isAdmins = ({ principal }: AccessEntry) =>
    principal.kind === 'GROUP' && principal.loginName === 'admins'
  return {
    object_id: `/database-projects/${project}`,
    object_type: 'database-projects',
    access_control_list: [
      ...entries.map((entry) => ({
        [nameFields[entry.principal.kind]]: entry.principal.loginName,
        display_name: entry.principal.displayName,
        all_permissions: [
          { permission_level: entry.level, inherited: false },
          ...(isAdmins(entry) ? [inherited] : []),
        ],
      })),
      ...(entries.some(isAdmins)
        ? []
        : [{ group_name: 'admins', display_name: 'admins', all_permissions: [inherited] }]),
    ],
  }
}
