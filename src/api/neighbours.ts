/**
 * Paths beside what we serve that clients call anyway: the older database product, which is empty
 * here, and roles and databases as resources, which say what to use in their place.
 */
import { Fault } from '../domain/faults.ts'
import { base } from './base-path.ts'
import { type Method, ok, type Route, route } from './route.ts'

const branch = `${base}/projects/{project}/branches/{branch}` as const

export const neighbourRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/api/2.0/database/instances',
    summary: 'List instances of the older product: none',
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

function unavailable(method: Method, path: string, kind: 'roles' | 'databases'): Route {
  return route({
    method,
    path,
    summary: `Not available: ${kind} as resources`,
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
