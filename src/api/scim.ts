/**
 * Users, service principals and groups in SCIM 2.0 (RFC 7644), at both addresses that clients of a
 * workspace use. PATCH is a PUT of the patched resource, except that members come and go one by one.
 */
import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import type { Actions, Caller } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import type { IdentityKind } from '../domain/identity.ts'
import type { DirectoryEntry } from '../domain/principal.ts'
import { defined, readWith } from './fields.ts'
import { ok, type Route, route } from './route.ts'
import type { ScimResource } from './scim-filter.ts'
import { listOf, listQuery, oneQuery, project } from './scim-list.ts'
import { applyPatch, type PatchOperation } from './scim-patch.ts'
import {
  collections,
  groupBody,
  identityBody,
  mustStay,
  patchBody,
  profileOf,
  render,
  renderMe,
} from './scim-resource.ts'

const bases = ['/api/2.0/preview/scim/v2', '/api/2.0/account/scim/v2'] as const

type IdentityBody = z.output<typeof identityBody>
type GroupBody = z.output<typeof groupBody>

export const scimRoutes = (actions: Actions, workspaceId: string): readonly Route[] =>
  bases.flatMap((base) => [
    route({
      method: 'GET',
      path: `${base}/Me`,
      summary: 'Who am I',
      access: 'identity',
      query: oneQuery,
      handle: async ({ caller, query }) =>
        // Terraform and the Go SDK read the workspace id from this header.
        ok(project(renderMe(await actions.whoAmI(caller)), query), {
          'X-Databricks-Org-Id': workspaceId,
        }),
    }),
    ...identityRoutes(base, actions, 'USER'),
    ...identityRoutes(base, actions, 'SERVICE_PRINCIPAL'),
    ...groupRoutes(base, actions),
  ])

function identityRoutes(base: string, actions: Actions, kind: IdentityKind): readonly Route[] {
  const read = (caller: Caller, id: string) => actions.getIdentity(caller, kind, id)
  const put = async (caller: Caller, before: DirectoryEntry, body: IdentityBody) => {
    mustStay(before, kind === 'USER' ? body.userName : body.applicationId)
    // Only what differs: a change of the name must not undo a deactivation that came between.
    const { displayName, active } = body
    return actions.updateIdentity(caller, kind, before.uid, {
      ...(displayName === before.displayName ? {} : defined({ displayName })),
      ...(active === before.isActive ? {} : defined({ isActive: active })),
      profile: profileOf(body),
    })
  }
  return resourceRoutes(base, kind, identityBody, {
    list: (caller) => actions.listIdentities(caller, kind),
    read,
    async create(caller, body) {
      const loginName = kind === 'USER' ? userNameOf(body) : applicationIdOf(body)
      return actions.createIdentity(caller, {
        kind,
        loginName,
        displayName: body.displayName ?? loginName,
        profile: profileOf(body),
        ...defined({ isActive: body.active, groups: body.groups }),
      })
    },
    async put(caller, id, body) {
      if (kind === 'USER') userNameOf(body)
      return put(caller, await read(caller, id), body)
    },
    async patch(caller, id, operations) {
      const before = await read(caller, id)
      return put(caller, before, readWith(identityBody, applyPatch(render(before), operations)))
    },
    remove: (caller, id) => actions.deleteIdentity(caller, kind, id),
  })
}

function groupRoutes(base: string, actions: Actions): readonly Route[] {
  const put = (caller: Caller, before: DirectoryEntry, body: GroupBody) => {
    mustStay(before, nameOf(body))
    const had = before.members.map(({ uid }): string => uid)
    const wanted = body.members ?? []
    return actions.updateGroup(caller, before.uid, {
      profile: profileOf(body),
      add: wanted.filter((uid) => !had.includes(uid)),
      remove: had.filter((uid) => !wanted.includes(uid)),
    })
  }
  return resourceRoutes(base, 'GROUP', groupBody, {
    list: (caller) => actions.listGroups(caller),
    read: (caller, id) => actions.getGroup(caller, id),
    create: (caller, body) =>
      actions.createGroup(caller, {
        name: nameOf(body),
        profile: profileOf(body),
        members: body.members ?? [],
      }),
    put: async (caller, id, body) => put(caller, await actions.getGroup(caller, id), body),
    async patch(caller, id, operations) {
      const before = await actions.getGroup(caller, id)
      return put(caller, before, readWith(groupBody, applyPatch(render(before), operations)))
    },
    remove: (caller, id) => actions.deleteGroup(caller, id),
  })
}

interface ResourceActions<Body> {
  list(caller: Caller): Promise<readonly DirectoryEntry[]>
  read(caller: Caller, id: string): Promise<DirectoryEntry>
  create(caller: Caller, body: Body): Promise<DirectoryEntry>
  put(caller: Caller, id: string, body: Body): Promise<DirectoryEntry>
  patch(caller: Caller, id: string, operations: readonly PatchOperation[]): Promise<DirectoryEntry>
  remove(caller: Caller, id: string): Promise<void>
}

function resourceRoutes<Body>(
  base: string,
  kind: DirectoryEntry['kind'],
  schema: z.ZodType<Body>,
  actions: ResourceActions<Body>,
): readonly Route[] {
  const { name, noun } = collections[kind]
  const path = `${base}/${name}`
  const one = `${path}/{id}` as `${string}/{id}`
  const access = 'identity'
  const plain = (entry: DirectoryEntry): ScimResource => render(entry)
  return [
    route({
      method: 'GET',
      path,
      summary: `List ${noun}s`,
      access,
      query: listQuery,
      handle: async ({ caller, query }) =>
        ok(listOf((await actions.list(caller)).map(plain), query)),
    }),
    route({
      method: 'POST',
      path,
      summary: `Create a ${noun}`,
      access,
      body: { schema, keepsNames: true },
      handle: async ({ caller, body }) => ({
        status: 201,
        body: render(await actions.create(caller, body)),
      }),
    }),
    route({
      method: 'GET',
      path: one,
      summary: `Get a ${noun}`,
      access,
      query: oneQuery,
      handle: async ({ caller, params, query }) =>
        ok(project(render(await actions.read(caller, params.id)), query)),
    }),
    route({
      method: 'PUT',
      path: one,
      summary: `Replace a ${noun}`,
      access,
      body: { schema, keepsNames: true },
      handle: async ({ caller, params, body }) =>
        ok(render(await actions.put(caller, params.id, body))),
    }),
    route({
      method: 'PATCH',
      path: one,
      summary: `Change a ${noun}`,
      access,
      body: { schema: patchBody, keepsNames: true },
      handle: async ({ caller, params, body }) => {
        const operations = body.Operations.map(({ op, path, value }) => ({
          op,
          ...defined({ path }),
          value,
        }))
        return ok(render(await actions.patch(caller, params.id, operations)))
      },
    }),
    route({
      method: 'DELETE',
      path: one,
      summary: `Delete a ${noun}`,
      access,
      async handle({ caller, params }) {
        await actions.remove(caller, params.id)
        return { status: 204 }
      },
    }),
  ]
}

function userNameOf({ userName }: IdentityBody): string {
  if (userName === undefined || userName === '') {
    throw new Fault('FIELD_REQUIRED', { field: 'userName' })
  }
  if (/^[^\s@"]+@[^\s@"]+$/.test(userName)) return userName
  throw new Fault('FIELD_INVALID', { field: 'userName', problem: 'it must be an e-mail address' })
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function applicationIdOf({ applicationId }: IdentityBody): string {
  if (applicationId === undefined || applicationId === '') return randomUUID()
  const lower = applicationId.toLowerCase()
  if (UUID.test(lower)) return lower
  throw new Fault('FIELD_INVALID', { field: 'applicationId', problem: 'it must be a UUID' })
}

function nameOf({ displayName }: GroupBody): string {
  if (displayName === undefined || displayName === '') {
    throw new Fault('FIELD_REQUIRED', { field: 'displayName' })
  }
  return displayName
}
