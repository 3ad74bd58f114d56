/**
 * Paths beside what we serve that clients call anyway: the older database product, which is empty
 * here, and roles and databases as resources, which say what to use in their place.
 */
import { z } from 'zod'
import { Fault } from '../domain/faults.ts'
import { base } from './base-path.ts'
import { ok, type Route, route } from './route.ts'

const branch = `${base}/projects/{project}/branches/{branch}` as const

const verbs = { GET: 'get', POST: 'create', PATCH: 'update', DELETE: 'delete' } as const

export const neighbourRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/2.0/database/instances',
    summary: 'List instances of the older product: none',
    operationId: 'listDatabaseInstances',
    tag: 'Neighbours',
    reply: { 200: z.strictObject({}) },
    access: 'identity',
    handle: () => ok({}),
  }),
  ...(['roles', 'databases'] as const).flatMap((kind) => [
    ...(['GET', 'POST'] as const).map((method) => unavailable(method, `${branch}/${kind}`, kind)),
    ...(['GET', 'PATCH', 'DELETE'] as const).map((method) =>
      unavailable(method, `${branch}/${kind}/{resource}`, kind),
    ),
  ]),
]

/** The ids that these will have once they are there. */
function unavailableId(method: keyof typeof verbs, path: string, kind: 'roles' | 'databases') {
  const noun = kind === 'roles' ? 'Role' : 'Database'
  return method === 'GET' && path.endsWith(kind) ? `list${noun}s` : `${verbs[method]}${noun}`
}

function unavailable(method: keyof typeof verbs, path: string, kind: 'roles' | 'databases'): Route {
  return route({
    method,
    path,
    summary: `Not available: ${kind} as resources`,
    operationId: unavailableId(method, path, kind),
    tag: kind === 'roles' ? 'Roles' : 'Databases',
    reply: {},
    refusals: ['NOT_IMPLEMENTED'],
    access: 'identity',
    handle() {
      throw new Fault('NOT_IMPLEMENTED', {
        what: `Managing ${kind} over the API`,
        instead:
          kind === 'roles'
            ? 'Use SQL on the branch: CREATE ROLE, GRANT. Whoever may manage the project gets a role with the first login.'
            : 'Use SQL on the branch: CREATE DATABASE. Every branch has databricks_postgres.',
      })
    },
  })
}
