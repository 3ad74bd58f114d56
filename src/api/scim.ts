/**
 * Users, service principals and groups in SCIM 2.0 (RFC 7644), at both addresses that clients of a
 * workspace use. PATCH is a PUT of the patched resource, except that members come and go one by one.
 */
import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import type { Actions, Caller } from '../actions/actions.ts'
import { Fault, type Reason } from '../domain/faults.ts'
import type { IdentityKind } from '../domain/identity.ts'
import type { DirectoryEntry } from '../domain/principal.ts'
import { defined, readWith } from './fields.ts'
import { noBody, ok, type Route, route } from './route.ts'
import type { ScimResource } from './scim-filter.ts'
import { listOf, listQuery, oneQuery, project } from './scim-list.ts'
import { applyPatch, type PatchOperation } from './scim-patch.ts'
import { listReplies, meReply, replies } from './scim-replies.ts'
import {
  collections,
  groupBody,
  type IdentityBody,
  mustStay,
  patchBody,
  profileOf,
  render,
  renderMe,
  servicePrincipalBody,
  userBody,
} from './scim-resource.ts'

/** What clients of a workspace call, and what those of an account do; the same things are at both. */
const bases = [
  { base: '/api/2.0/preview/scim/v2', suffix: '' },
  { base: '/api/2.0/account/scim/v2', suffix: 'OfAccount' },
] as const
type Base = (typeof bases)[number]

type GroupBody = z.output<typeof groupBody>

export const scimRoutes = (actions: Actions, workspaceId: string): readonly Route[] =>
  bases.flatMap((at) => [
    route({
      method: 'GET',
      path: `${at.base}/Me`,
      summary: 'Who am I',
      operationId: `getMe${at.suffix}`,
      tag: 'Identities',
      reply: { 200: meReply },
      access: 'identity',
      query: oneQuery,
      handle: async ({ caller, query }) =>
        // Terraform and the Go SDK read the workspace id from this header.
        ok(project(renderMe(await actions.getMe(caller)), query), {
          'X-Databricks-Org-Id': workspaceId,
        }),
    }),
    ...identityRoutes(at, actions, 'USER'),
    ...identityRoutes(at, actions, 'SERVICE_PRINCIPAL'),
    ...groupRoutes(at, actions),
  ])

function identityRoutes(at: Base, actions: Actions, kind: IdentityKind): readonly Route[] {
  const schema: z.ZodType<IdentityBody> = kind === 'USER' ? userBody : servicePrincipalBody
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
  return resourceRoutes(at, kind, schema, {
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
      return put(caller, before, readWith(schema, applyPatch(render(before), operations)))
    },
    remove: (caller, id) => actions.deleteIdentity(caller, kind, id),
  })
}

function groupRoutes(at: Base, actions: Actions): readonly Route[] {
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
  return resourceRoutes(at, 'GROUP', groupBody, {
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

const changing = [
  'ADMINISTRATORS_ONLY',
  'IDENTITY_NOT_FOUND',
  'FIELD_IMMUTABLE',
  'GROUP_BUILT_IN',
  'LAST_ADMINISTRATOR',
] as const satisfies readonly Reason[]

const examples = {
  USER: { userName: 'jane.doe@example.com', displayName: 'Jane Doe' },
  SERVICE_PRINCIPAL: { displayName: 'deploy' },
  GROUP: { displayName: 'data team', members: [{ value: '123456789012345' }] },
} as const

const patchExample = {
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [{ op: 'replace', path: 'displayName', value: 'Jane' }],
} as const

interface ResourceActions<Body> {
  list(caller: Caller): Promise<readonly DirectoryEntry[]>
  read(caller: Caller, id: string): Promise<DirectoryEntry>
  create(caller: Caller, body: Body): Promise<DirectoryEntry>
  put(caller: Caller, id: string, body: Body): Promise<DirectoryEntry>
  patch(caller: Caller, id: string, operations: readonly PatchOperation[]): Promise<DirectoryEntry>
  remove(caller: Caller, id: string): Promise<DirectoryEntry>
}

function resourceRoutes<Body>(
  { base, suffix }: Base,
  kind: DirectoryEntry['kind'],
  schema: z.ZodType<Body>,
  actions: ResourceActions<Body>,
): readonly Route[] {
  const { name, noun, one: word } = collections[kind]
  const path = `${base}/${name}`
  const one = `${path}/{id}` as `${string}/{id}`
  const access = 'identity'
  const tag = 'Identities'
  const resource = replies[kind]
  const example = examples[kind]
  const plain = (entry: DirectoryEntry): ScimResource => render(entry)
  return [
    route({
      method: 'GET',
      path,
      summary: `List ${noun}s`,
      operationId: `list${name}${suffix}`,
      tag,
      reply: { 200: listReplies[kind] },
      refusals: ['SCIM_FILTER_INVALID'],
      access,
      query: listQuery,
      handle: async ({ caller, query }) =>
        ok(listOf((await actions.list(caller)).map(plain), query)),
    }),
    route({
      method: 'POST',
      path,
      summary: `Create a ${noun}`,
      operationId: `create${word}${suffix}`,
      tag,
      reply: { 201: resource },
      refusals: ['ADMINISTRATORS_ONLY', 'IDENTITY_EXISTS', 'IDENTITY_NOT_FOUND'],
      access,
      body: { schema, keepsNames: true, example },
      handle: async ({ caller, body }) => ({
        status: 201,
        body: render(await actions.create(caller, body)),
      }),
    }),
    route({
      method: 'GET',
      path: one,
      summary: `Get a ${noun}`,
      operationId: `get${word}${suffix}`,
      tag,
      reply: { 200: resource },
      refusals: ['IDENTITY_NOT_FOUND'],
      access,
      query: oneQuery,
      handle: async ({ caller, params, query }) =>
        ok(project(render(await actions.read(caller, params.id)), query)),
    }),
    route({
      method: 'PUT',
      path: one,
      summary: `Replace a ${noun}`,
      operationId: `replace${word}${suffix}`,
      tag,
      reply: { 200: resource },
      refusals: changing,
      access,
      body: { schema, keepsNames: true, example },
      handle: async ({ caller, params, body }) =>
        ok(render(await actions.put(caller, params.id, body))),
    }),
    route({
      method: 'PATCH',
      path: one,
      summary: `Change a ${noun}`,
      operationId: `update${word}${suffix}`,
      tag,
      reply: { 200: resource },
      refusals: [...changing, 'SCIM_PATH_INVALID'],
      access,
      body: { schema: patchBody, keepsNames: true, example: patchExample },
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
      operationId: `delete${word}${suffix}`,
      tag,
      reply: { 204: noBody },
      refusals: ['ADMINISTRATORS_ONLY', 'IDENTITY_NOT_FOUND', 'LAST_ADMINISTRATOR'],
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
