/** Projects. */
import { z } from 'zod'
import type { Actions, ProjectSpec } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import type { MaskFields } from '../domain/field-mask.ts'
import type { ProjectId } from '../domain/names.ts'
import { branchName, parseBranchId, parseBranchName, parseProjectId } from '../domain/names.ts'
import { defaultPostgresMajor, type PostgresMajor } from '../domain/project.ts'
import { base } from './base-path.ts'
import { checkGroup, group, readSizing, sizing } from './endpoint-settings.ts'
import {
  anyDuration,
  defined,
  flag,
  integer,
  line,
  maskQuery,
  newId,
  pgSettings,
  queryFlag,
  reference,
} from './fields.ts'
import { projectPageQuery, readPage, renderPage } from './page-query.ts'
import { projectOperation, projectPage, projectResource } from './project-resource.ts'
import { ok, type Route, route } from './route.ts'

const tags = z
  .array(z.object({ key: line(1, 128), value: line(0, 256) }))
  .max(64)
  .optional()

const spec = z.object({
  display_name: line(1, 256).optional().describe('Default: the id.'),
  history_retention_duration: anyDuration('604800s') // the action knows the limits
    .optional()
    .describe(
      '172800s to 3024000s, unless the server says otherwise. Kept and shown, without effect yet.',
    ),
  default_branch: reference('projects/app/branches/production')
    .optional()
    .describe('A branch of this project without an end.'),
  default_endpoint_settings: z
    .object({ ...sizing, pg_settings: pgSettings.optional() })
    .optional()
    .describe('What `primary` of a later branch begins with.'),
  enable_pg_native_login: flag.optional().describe('Whether Postgres passwords may log in.'),
  custom_tags: tags,
  budget_policy_id: line(1, 256).optional(),
})

const creation = z
  .object({
    spec: spec
      .extend({
        pg_version: integer(15, 18)
          .optional()
          .describe(`Major version of Postgres, fixed. Default: ${defaultPostgresMajor}.`),
      })
      .default({})
      .meta({ writeOnly: true }),
    initial_branch_spec: z
      .object({ is_protected: flag.optional() })
      .default({})
      .meta({ writeOnly: true, description: 'For the branch `production`.' }),
    initial_endpoint_spec: z
      .object({ ...sizing, group: group.optional() })
      .default({})
      .meta({ writeOnly: true, description: 'For the endpoint `primary` of `production`.' }),
  })
  .meta({ id: 'ProjectCreate' })

const update = z
  .object({ spec: spec.default({}).meta({ writeOnly: true }) })
  .meta({ id: 'ProjectUpdate' })

const suspensionMembers = [
  'spec.default_endpoint_settings.no_suspension',
  'spec.default_endpoint_settings.suspend_timeout_duration',
]

export const projectMask: MaskFields = {
  leaves: [
    'spec.display_name',
    'spec.history_retention_duration',
    'spec.default_branch',
    'spec.default_endpoint_settings.autoscaling_limit_min_cu',
    'spec.default_endpoint_settings.autoscaling_limit_max_cu',
    'spec.default_endpoint_settings.pg_settings',
    ...suspensionMembers,
    'spec.enable_pg_native_login',
    'spec.custom_tags',
    'spec.budget_policy_id',
  ],
  groups: {
    'spec.project_default_settings.suspension': suspensionMembers,
    'spec.default_endpoint_settings.suspension': suspensionMembers,
  },
  immutable: ['spec.pg_version'],
  ignored: ['initial_branch_spec', 'initial_endpoint_spec'],
}

export const projectRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'POST',
    path: `${base}/projects`,
    summary: 'Create a project',
    description:
      'It brings the branch `production` with the endpoint `primary`; both are ready when the operation is done.',
    operationId: 'createProject',
    tag: 'Projects',
    reply: { 200: projectOperation },
    refusals: [
      'PROJECT_EXISTS',
      'TOOLCHAIN_MISSING',
      'LIMIT_REACHED',
      'STORAGE_FULL',
      'STORAGE_NEARLY_FULL',
      'STORAGE_UNAVAILABLE',
    ],
    access: 'identity',
    query: z.object({ project_id: newId('project', 'app', parseProjectId) }),
    body: {
      schema: creation,
      wrapper: 'project',
      example: { spec: { display_name: 'App', pg_version: 17 } },
    },
    async handle({ caller, query, body }) {
      const { initial_endpoint_spec: endpoint, initial_branch_spec: branch } = body
      checkGroup(endpoint.group, 'initial_endpoint_spec')
      const operation = await actions.createProject(caller, {
        projectId: query.project_id,
        spec: {
          ...readSpec(body.spec, query.project_id),
          ...defined({ pgVersion: body.spec.pg_version as PostgresMajor | undefined }),
        },
        initialBranch: defined({ isProtected: branch.is_protected }),
        initialEndpoint: readSizing(endpoint, 'initial_endpoint_spec'),
      })
      return ok(operation)
    },
  }),
  route({
    method: 'GET',
    path: `${base}/projects`,
    summary: 'List projects',
    operationId: 'listProjects',
    tag: 'Projects',
    reply: { 200: projectPage },
    refusals: ['PAGE_TOKEN_UNKNOWN'],
    access: 'identity',
    query: projectPageQuery,
    async handle({ caller, query }) {
      const page = { ...readPage(query), showDeleted: query.show_deleted ?? false }
      return ok(renderPage('projects', await actions.listProjects(caller, page)))
    },
  }),
  route({
    method: 'GET',
    path: `${base}/projects/{project}`,
    summary: 'Get a project',
    operationId: 'getProject',
    tag: 'Projects',
    reply: { 200: projectResource },
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getProject(caller, params)),
  }),
  route({
    method: 'PATCH',
    path: `${base}/projects/{project}`,
    summary: 'Update a project',
    operationId: 'updateProject',
    tag: 'Projects',
    reply: { 200: projectOperation },
    refusals: ['BRANCH_NOT_FOUND', 'BRANCH_EXPIRES', 'SOURCE_OTHER_PROJECT', 'SOURCE_NOT_READY'],
    access: 'identity',
    query: maskQuery,
    body: {
      schema: update,
      wrapper: 'project',
      mask: projectMask,
      example: { spec: { display_name: 'The app' } },
    },
    subject: ({ caller, params }) => actions.getProject(caller, params),
    handle: async ({ caller, params, body }) =>
      ok(await actions.updateProject(caller, params, readSpec(body.spec, params.project))),
  }),
  route({
    method: 'DELETE',
    path: `${base}/projects/{project}`,
    summary: 'Delete a project',
    description:
      'With its branches and endpoints. It can be undeleted for 7 days, and holds its id for so long, unless `purge` is true.',
    operationId: 'deleteProject',
    tag: 'Projects',
    reply: { 200: projectOperation },
    refusals: ['PROJECT_HAS_PROTECTED'],
    access: 'identity',
    query: z.object({
      purge: queryFlag.optional().describe('For good and at once, in place of after 7 days.'),
    }),
    handle: async ({ caller, params, query }) =>
      ok(await actions.deleteProject(caller, params, { purge: query.purge ?? false })),
  }),
  route({
    method: 'POST',
    path: `${base}/projects/{project}/undelete`,
    summary: 'Undelete a project',
    operationId: 'undeleteProject',
    tag: 'Projects',
    reply: { 200: projectOperation },
    refusals: ['BRANCH_NOT_DELETED'],
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.undeleteProject(caller, params)),
  }),
]

function readSpec(fields: z.output<typeof spec>, project: ProjectId): ProjectSpec {
  const { default_endpoint_settings: defaults } = fields
  return defined({
    displayName: fields.display_name,
    historyRetention: fields.history_retention_duration,
    defaultBranch: readDefaultBranch(fields.default_branch, project),
    endpointDefaults:
      defaults === undefined
        ? undefined
        : {
            ...readSizing(defaults, 'spec.default_endpoint_settings'),
            ...defined({ pgSettings: defaults.pg_settings }),
          },
    enablePgNativeLogin: fields.enable_pg_native_login,
    customTags: readTags(fields.custom_tags),
    budgetPolicyId: fields.budget_policy_id,
  })
}

function readTags(given: z.output<typeof tags>): z.output<typeof tags> {
  const keys = new Set(given?.map(({ key }) => key))
  if (given === undefined || keys.size === given.length) return given
  throw new Fault('FIELD_INVALID', {
    field: 'spec.custom_tags',
    problem: 'a key may be there only once',
  })
}

/** A bare id means a branch of the same project. */
function readDefaultBranch(text: string | undefined, project: ProjectId): string | undefined {
  if (text === undefined || text === '') return undefined
  if (!text.includes('/')) return branchName(project, parseBranchId(text))
  const path = parseBranchName(text)
  return branchName(path.project, path.branch)
}
