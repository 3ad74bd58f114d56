/**
 * Runs one declared route: authenticate, then ids, then query, then body, then the handler. The
 * order is part of the contract: who may not ask learns nothing about what they sent, and of a thing
 * that is not there one hears that, whatever the body holds. Strict: bodies in the service's own form
 * alone.
 */
import type { Context, Handler } from 'hono'
import type { Actions, Caller } from '../actions/actions.ts'
import { agentOf } from '../domain/audit.ts'
import { readHost } from '../domain/base-url.ts'
import { isJsonObject, type JsonObject, tolerateBody } from '../domain/body-tolerance.ts'
import { Fault } from '../domain/faults.ts'
import { pickLeaves, resolveMask } from '../domain/field-mask.ts'
import type { Identity } from '../domain/identity.ts'
import {
  parseBranchId,
  parseDatabaseId,
  parseEndpointId,
  parseProjectId,
  parseRoleId,
  parseSnapshotId,
  printable,
} from '../domain/names.ts'
import { Secret } from '../lib/secret.ts'
import { readWith } from './fields.ts'
import type { Trace } from './render-fault.ts'
import { readJsonBody } from './request-body.ts'
import type { BodyDeclaration, Reply, Route } from './route.ts'

/** What is known of a request beside itself. */
export interface RequestOrigin {
  readonly remoteAddress?: string
}

export interface Edge {
  Bindings: RequestOrigin
  Variables: {
    readonly trace: Trace
    caller: Caller | undefined
    identityUid: string | undefined
    route: string | undefined
    operationId: string | undefined
    /** What was read, for `Exchange`. */
    query: Readonly<Record<string, string>> | undefined
    body: unknown
  }
}

/** Longer than any token that we or an OIDC issuer would make. */
const maxTokenLength = 8192

const idParsers: Readonly<Record<string, (text: string | undefined) => string>> = {
  project: parseProjectId,
  branch: parseBranchId,
  endpoint: parseEndpointId,
  role: parseRoleId,
  database: parseDatabaseId,
  snapshot: parseSnapshotId,
}

export function serveRoute(
  route: Route,
  actions: Pick<Actions, 'authenticate'>,
  { isStrict = false }: { readonly isStrict?: boolean } = {},
): Handler<Edge> {
  return async (context) => {
    context.set('route', route.path)
    context.set('operationId', route.operationId)
    const caller = route.access === 'public' ? undefined : await authenticate(context, actions)
    const params = readParams(context)
    const search = readSearch(context)
    context.set('query', search)
    const query = route.query === undefined ? undefined : readWith(route.query, search)
    const body = await bodyOf(context, route, isStrict, search.update_mask, () =>
      route.subject?.({ params, caller }),
    )
    return reply(
      context,
      await route.handle({
        params,
        query,
        body,
        caller,
        host: readHost(context.req.header('host')),
      }),
    )
  }
}

async function authenticate(
  context: Context<Edge>,
  actions: Pick<Actions, 'authenticate'>,
): Promise<Caller> {
  const identity = await actions.authenticate(bearerToken(context.req.header('authorization')))
  context.set('identityUid', identity.uid)
  const caller = callerOf(context, identity)
  context.set('caller', caller)
  return caller
}

/** Who asks, from where, through which agent. */
export function callerOf<I extends Identity | undefined>(context: Context<Edge>, identity: I) {
  const userAgent = userAgentOf(context)
  const { requestId, traceId } = context.get('trace')
  const agent = agentOf(context.req.header('x-lakelet-agent'), userAgent)
  const { remoteAddress } = context.env
  return {
    identity,
    userAgent,
    requestId,
    traceId,
    ...(agent === undefined ? {} : { agent }),
    ...(remoteAddress === undefined ? {} : { remoteAddress }),
  }
}

function bearerToken(header: string | undefined): Secret {
  const refuse = (problem: string) => new Fault('UNAUTHENTICATED', { problem })
  if (header === undefined || header.trim() === '') throw refuse('there is no Authorization header')
  const [scheme = '', token = '', ...rest] = header.trim().split(/\s+/)
  if (scheme.toLowerCase() !== 'bearer')
    throw refuse('the Authorization header is not of type Bearer')
  if (token === '') throw refuse('the Authorization header holds no token')
  if (rest.length > 0) throw refuse('there is a space in the token, so it was not copied whole')
  if (token.length > maxTokenLength) throw refuse('the token is too long')
  return new Secret(token)
}

function readParams(context: Context<Edge>): Record<string, string> {
  const params: Record<string, string> = {}
  for (const [name, text] of Object.entries(context.req.param())) {
    params[name] = idParsers[name]?.(text) ?? text
  }
  return params
}

/** The first value of each name: a repeated one is a client's mistake that older servers forgave. */
function readSearch(context: Context<Edge>): Readonly<Record<string, string>> {
  const search: [string, string][] = []
  for (const [name, value] of new URL(context.req.url).searchParams) {
    if (value.includes('\u0000')) {
      throw new Fault('FIELD_INVALID', {
        field: printable(name),
        problem: 'it holds a NUL character',
      })
    }
    if (!search.some(([seen]) => seen === name)) search.push([name, value])
  }
  return Object.fromEntries(search)
}

async function bodyOf(
  context: Context<Edge>,
  route: Route,
  isStrict: boolean,
  updateMask: string | undefined,
  findSubject: () => Promise<unknown> | undefined,
): Promise<unknown> {
  if (route.body === undefined) return undefined
  const { wrapper: _, specAliases: __, ...strict } = route.body
  try {
    return await readBody(context, isStrict ? strict : route.body, updateMask)
  } catch (error) {
    if (error instanceof Fault) await findSubject()
    throw error
  }
}

async function readBody(
  context: Context<Edge>,
  declaration: BodyDeclaration,
  updateMask: string | undefined,
): Promise<unknown> {
  if (declaration.isLenient) {
    const came = await readWhateverCame(context.req.raw)
    context.set('body', came)
    return readWith(declaration.schema, came)
  }
  const sent = (await readJsonBody(context.req.raw)) ?? {}
  const body = tolerateBody(sent, declaration)
  if (declaration.mask === undefined) {
    context.set('body', body)
    return readWith(declaration.schema, body)
  }
  if (body.spec !== undefined && !isJsonObject(body.spec)) {
    throw new Fault('FIELD_INVALID', { field: 'spec', problem: 'it must be an object' })
  }
  const picked = pickLeaves(body, resolveMask(updateMask, body, declaration.mask))
  context.set('body', picked)
  return readWith(declaration.schema, picked)
}

async function readWhateverCame(request: Request): Promise<JsonObject> {
  try {
    return (await readJsonBody(request, { anyType: true })) ?? {}
  } catch (error) {
    if (error instanceof Fault) return {}
    throw error
  }
}

function reply(
  context: Context<Edge>,
  { status, body, text, chunks, headers = {} }: Reply,
): Response {
  for (const [name, value] of Object.entries(headers)) context.header(name, value)
  if (status === 204) return context.body(null, status)
  if (chunks !== undefined) return context.body(streamOf(chunks), status)
  if (text !== undefined) return context.body(text, status)
  return context.json(body, status)
}

/** One chunk at a time, when the client has taken the one before; a client that leaves ends it. */
function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

export const userAgentOf = (context: Context<Edge>): string =>
  context.req.header('user-agent')?.slice(0, 300) ?? ''
