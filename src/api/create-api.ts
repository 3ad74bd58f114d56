/**
 * The HTTP edge as one web-standard `fetch`: routes, and around them what every answer has in
 * common: a request id, JSON for every error, one line in the log.
 */

import type { Context } from 'hono'
import { Hono } from 'hono'
import type { Actions } from '../actions/actions.ts'
import type { RefusedRequest } from '../actions/audit-requests.ts'
import { Fault } from '../domain/faults.ts'
import { printable } from '../domain/names.ts'
import { createLog, type Log } from '../lib/log.ts'
import { type Clock, systemClock } from '../lib/time.ts'
import { auditRoutes } from './audit.ts'
import { backupRoutes } from './backups.ts'
import { bindingRoutes } from './bindings.ts'
import { branchRoutes } from './branches.ts'
import { clientSecretRoutes } from './client-secrets.ts'
import { computeInstanceRoutes } from './compute-instances.ts'
import { credentialRoutes } from './credentials.ts'
import { databaseRoutes } from './databases.ts'
import { type ApiDocument, describeApi } from './document.ts'
import { documentRoutes } from './document-routes.ts'
import { endpointRoutes } from './endpoints.ts'
import type { Exchange, KeepExchange } from './exchange.ts'
import { archiveType, importAndExportRoutes } from './import-and-export.ts'
import { neighbourRoutes } from './neighbours.ts'
import { notServedRoutes } from './not-served.ts'
import { operationRoutes } from './operations.ts'
import { permissionRoutes } from './permissions.ts'
import { projectRoutes } from './projects.ts'
import { renderFault, statusOf } from './render-fault.ts'
import { isScimPath, renderScimFault } from './render-scim-fault.ts'
import { resetRoutes } from './reset.ts'
import { roleRoutes } from './roles.ts'
import type { Route } from './route.ts'
import { scimRoutes } from './scim.ts'
import { callerOf, type Edge, type RequestOrigin, serveRoute, userAgentOf } from './serve-route.ts'
import { setupLinkRoutes } from './setup-links.ts'
import { snapshotScheduleRoutes } from './snapshot-schedule.ts'
import { snapshotRoutes } from './snapshots.ts'
import { statusRoutes } from './status.ts'
import { telemetryRoutes } from './telemetry.ts'
import { tokenRoutes } from './tokens.ts'
import { newTrace } from './trace.ts'
import { ttlPolicyRoutes } from './ttl-policy.ts'
import { webhookRoutes } from './webhooks.ts'
import { wellKnownRoutes } from './well-known.ts'

export interface ApiOptions {
  readonly actions: Actions
  /** Digits, the same for ever. */
  readonly workspaceId: string
  /** The setting `public-url`. */
  readonly publicUrl?: string | undefined
  readonly status: () => Promise<Record<string, unknown>>
  readonly apiUrl: () => string
  readonly log: Log
  readonly version: string
  /** Default: generous. */
  readonly contract?: 'generous' | 'strict'
  readonly clock?: Clock
  /** Told of writes that were refused before an action saw them, and of every wrong access token. */
  readonly noteRefusal?: (refused: RefusedRequest) => void
  /** Called with each request and its answer, which is held in memory for it. */
  readonly keepExchange?: KeepExchange | undefined
}

export interface Api {
  readonly fetch: (request: Request, from?: RequestOrigin) => Response | Promise<Response>
}

export function allRoutes(options: ApiOptions): readonly Route[] {
  const { actions, workspaceId, publicUrl, apiUrl, contract } = options
  const isStrict = contract === 'strict'
  const routes: Route[] = [
    ...wellKnownRoutes({ workspaceId, publicUrl, apiUrl }),
    ...backupRoutes(actions),
    ...operationRoutes(actions), // before resources: they hang below them
    ...projectRoutes(actions),
    ...branchRoutes(actions, { isStrict }),
    ...(isStrict ? [] : routesOfOurs(actions)),
    ...importAndExportRoutes(actions, { isStrict }),
    ...endpointRoutes(actions),
    ...roleRoutes(actions),
    ...databaseRoutes(actions),
    ...snapshotRoutes(actions, { isStrict }),
    ...snapshotScheduleRoutes(actions),
    ...computeInstanceRoutes(actions),
    ...credentialRoutes(actions),
    ...scimRoutes(actions, workspaceId),
    ...tokenRoutes(actions),
    ...clientSecretRoutes(actions),
    ...setupLinkRoutes({ actions, apiUrl, publicUrl }),
    ...permissionRoutes(actions),
    ...telemetryRoutes,
    ...statusRoutes(options.status),
    ...auditRoutes(actions),
    ...neighbourRoutes,
    ...notServedRoutes,
  ]
  return [...routes, ...documentRoutes(routes, options.version)]
}

/** What programs that will run on the service would miss there: the strict contract has none of it. */
const routesOfOurs = (actions: Actions): readonly Route[] => [
  ...bindingRoutes(actions),
  ...ttlPolicyRoutes(actions),
  ...webhookRoutes(actions),
  ...resetRoutes(actions),
]

/** What there is to call, without a server behind it. */
export const declaredRoutes = (version: string): readonly Route[] =>
  allRoutes({
    actions: {} as Actions, // handlers use it, and nobody calls them
    workspaceId: '0',
    status: async () => ({}),
    apiUrl: () => 'http://localhost',
    log: createLog('declared'),
    version,
  })

/** What a server of this version serves as its API document: for the reference and the tests. */
export const apiDocument = (version: string): ApiDocument =>
  describeApi(declaredRoutes(version), version)

export function createApi(options: ApiOptions): Api {
  const { actions, log, version, contract, keepExchange, clock = systemClock } = options
  const isStrict = contract === 'strict'
  // The path stays encoded while routes are matched, so that `%2F` never makes a segment.
  const app = new Hono<Edge>({ getPath: (request) => new URL(request.url).pathname })

  app.use(async (context, next) => {
    const begun = clock.monotonic()
    const trace = newTrace(context.req.header('traceparent'))
    context.set('trace', trace)
    await next()
    context.header('x-request-id', trace.requestId)
    context.header('server', `lakelet/${version}`)
    if (!context.res.headers.has('cache-control')) context.header('cache-control', 'no-store')
    if (keepExchange !== undefined) keepExchange(await exchangeOf(context))
    const isRead = context.req.method === 'GET' || context.req.method === 'HEAD'
    log[isRead ? 'debug' : 'info'](
      {
        ...trace,
        method: context.req.method,
        route: context.get('route'),
        path: printable(context.req.path),
        status: context.res.status,
        ms: Math.round((clock.monotonic() - begun) * 10) / 10,
        identity: context.get('identityUid'),
        userAgent: userAgentOf(context),
      },
      'answered request',
    )
  })

  const methods = new Map<string, Set<string>>()
  for (const route of allRoutes(options)) {
    const path = honoPath(route.path)
    app.on(route.method, path, serveRoute(route, actions, { isStrict }))
    methods.set(path, (methods.get(path) ?? new Set(['OPTIONS'])).add(route.method))
  }
  for (const [path, allowed] of methods) {
    if (allowed.has('GET')) allowed.add('HEAD')
    app.options(path, (context) => context.body(null, 204, { allow: [...allowed].join(', ') }))
  }

  app.notFound((context) => refuse(context, unknownPath(context)))
  app.onError((error, context) => {
    const trace = context.get('trace')
    tellRefusal(error, context, options.noteRefusal)
    const about = {
      err: error,
      ...trace,
      method: context.req.method,
      route: context.get('route'),
      identity: context.get('identityUid'),
    }
    if (!(error instanceof Fault)) {
      log.error(about, 'failed to answer request')
      return refuse(context, new Fault('INTERNAL', { request: trace.requestId }))
    }
    // What the machine could not do has its cause here and nowhere else.
    if (error.reason === 'COMPUTE_FAILED' || statusOf(error) === 500)
      log.warn(about, 'could not do what was asked')
    return refuse(context, error)
  })
  return { fetch: (request, from = {}) => app.fetch(request, from) }
}

/** What an action refused it has told already; whoever is told knows each error once. */
function tellRefusal(
  error: unknown,
  context: Context<Edge>,
  note: ApiOptions['noteRefusal'],
): void {
  const isWrite = !/^(GET|HEAD|OPTIONS)$/.test(context.req.method)
  const isSignIn = error instanceof Fault && error.code === 'UNAUTHENTICATED'
  if (note === undefined || !(isWrite || isSignIn)) return
  const { identity, ...origin } = context.get('caller') ?? callerOf(context, undefined)
  note({
    error,
    isSignIn,
    method: context.req.method,
    path: printable(context.req.path),
    route: context.get('route'),
    identity,
    ...origin,
  })
}

const isArchive = ({ headers }: Response): boolean => headers.get('content-type') === archiveType

const exchangeOf = async (context: Context<Edge>): Promise<Exchange> => ({
  operationId: context.get('operationId'),
  method: context.req.method,
  path: context.req.path,
  query: context.get('query'),
  body: context.get('body'),
  status: context.res.status,
  contentType: context.res.headers.get('content-type') ?? '',
  reply: isArchive(context.res) ? '' : await context.res.clone().text(),
})

function refuse(context: Context<Edge>, fault: Fault): Response {
  const status = statusOf(fault)
  if (status === 401) context.header('www-authenticate', 'Bearer realm="lakelet"')
  if (status === 429 || status === 503) context.header('retry-after', '1')
  const render = isScimPath(context.req.path) ? renderScimFault : renderFault
  return context.json(render(fault, context.get('trace')), status)
}

/** The service's own texts leave the version prefix out. */
function unknownPath({ req }: Context<Edge>): Fault {
  const path = req.path.replace(/^\/api\/2\.\d(?=\/)/, '')
  return new Fault('API_UNKNOWN', { method: req.method, path: printable(path) })
}

/** `{name}` → `:name`, `{+name}` → the rest of the path. */
const honoPath = (path: string): string =>
  path.replace(/\{(\+?)(\w+)\}/g, (_, greedy: string, name: string) =>
    greedy === '' ? `:${name}` : `:${name}{.+}`,
  )
