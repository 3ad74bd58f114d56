/** A call of the model as the request that it is. */
import type { Reply, TestServer } from '../../fixtures/server.ts'
import { ask } from '../contract/shapes.ts'
import type { End } from './branches.ts'
import type { EndpointSpec } from './endpoints.ts'
import type { Call } from './world.ts'

const endOf = (end: End): object =>
  end === 'ttl' ? { ttl: '7200s' } : end === 'never' ? { no_expiry: true } : {}

const defined = (fields: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

const sizing = ({ size, suspend, isDisabled }: EndpointSpec): object =>
  defined({
    autoscaling_limit_min_cu: size?.[0],
    autoscaling_limit_max_cu: size?.[1],
    no_suspension: suspend === 'never' ? true : undefined,
    suspend_timeout_duration: suspend === 'never' ? undefined : suspend,
    disabled: isDisabled,
  })

const replacing = ({ replace }: { readonly replace: boolean }): string =>
  replace ? '&replace_existing=true' : ''

export function send(server: TestServer, prefix: string, call: Call): Promise<Reply> {
  const { post, patch, remove } = ask(server)
  const id = `${prefix}-${call.project}`
  const project = `projects/${id}`
  const branches = `${project}/branches`
  const branch = 'branch' in call ? `${branches}/${call.branch}` : branches
  switch (call.do) {
    case 'create-project':
      return post(`projects?project_id=${id}`)
    case 'rename-project':
      return patch(`${project}?update_mask=spec.display_name`, {
        spec: { display_name: call.displayName },
      })
    case 'set-default':
      return patch(`${project}?update_mask=spec.default_branch`, {
        spec: { default_branch: branch },
      })
    case 'delete-project':
      return remove(`${project}${call.purge ? '?purge=true' : ''}`)
    case 'undelete-project':
      return post(`${project}/undelete`)
    case 'create-branch': {
      const source = call.source === undefined ? undefined : `${branches}/${call.source}`
      return post(`${branches}?branch_id=${call.branch}${replacing(call)}`, {
        spec: {
          ...endOf(call.end),
          ...defined({ source_branch: source }),
          is_protected: call.isProtected,
        },
      })
    }
    case 'update-branch':
      return patch(`${branch}?update_mask=spec`, {
        spec: { ...endOf(call.end), ...defined({ is_protected: call.isProtected }) },
      })
    case 'delete-branch':
      return remove(`${branch}${call.purge ? '?purge=true' : ''}`)
    case 'undelete-branch':
      return post(`${branch}/undelete`)
    case 'create-endpoint':
      return post(`${branch}/endpoints?endpoint_id=${call.endpoint}${replacing(call)}`, {
        spec: {
          endpoint_type: `ENDPOINT_TYPE_READ_${call.isReader ? 'ONLY' : 'WRITE'}`,
          ...sizing(call.spec),
        },
      })
    case 'update-endpoint':
      return patch(`${branch}/endpoints/${call.endpoint}?update_mask=*`, {
        spec: sizing(call.spec),
      })
    case 'delete-endpoint':
      return remove(`${branch}/endpoints/${call.endpoint}`)
    case 'create-role':
      return post(`${branch}/roles?role_id=${call.role}${replacing(call)}`, {
        spec: {
          postgres_role: call.name,
          attributes: { createdb: call.createdb },
          membership_roles: call.isMember ? ['DATABRICKS_SUPERUSER'] : [],
        },
      })
    case 'update-role':
      return patch(`${branch}/roles/${call.role}?update_mask=spec.attributes.createdb`, {
        spec: { attributes: { createdb: call.createdb } },
      })
    case 'delete-role':
      return remove(`${branch}/roles/${call.role}`)
    case 'create-database':
      return post(`${branch}/databases?database_id=${call.database}${replacing(call)}`, {
        spec: { postgres_database: call.name, role: `${branch}/roles/${call.owner}` },
      })
    case 'update-database':
      return patch(`${branch}/databases/${call.database}?update_mask=spec`, {
        spec: defined({
          postgres_database: call.name,
          role: call.owner && `${branch}/roles/${call.owner}`,
        }),
      })
    case 'delete-database':
      return remove(`${branch}/databases/${call.database}`)
  }
}
