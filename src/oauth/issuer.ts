/**
 * The OAuth issuer below `/oidc`: our pages and the provider behind one door, which bounds what comes
 * in, tells the provider who asked and by which address, and puts the same safe headers on all answers.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JWK } from 'jose'
import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { SignIn } from '../actions/sign-in.ts'
import { baseUrl, type OwnAddress, readHost } from '../domain/base-url.ts'
import { codes } from '../domain/fault-codes.ts'
import { Fault } from '../domain/faults.ts'
import type { Log } from '../lib/log.ts'
import { type Clock, seconds } from '../lib/time.ts'
import { clientAddress } from './client-address.ts'
import { refusalPage } from './error-page.ts'
import { type FormTokens, formTokens } from './form.ts'
import { safeHeaders, sendPage } from './page.ts'
import { createProvider, mountPath } from './provider.ts'
import { requestContext, requestOrigin, within } from './request-context.ts'
import type { SealingKeys } from './seal.ts'
import { serveSetup } from './setup-pages.ts'
import { serveSignIn } from './sign-in-pages.ts'
import { signedOutPage } from './sign-out-pages.ts'
import { teach } from './teach.ts'
import { TokenRequests } from './token-requests.ts'
import { createTrustedIssuers, type TrustedIssuer } from './trusted-issuers.ts'

export interface IssuerOptions extends OwnAddress {
  readonly signIn: SignIn
  /** Keys that sign ID tokens, with their private parts, newest first. */
  readonly keys: readonly JWK[]
  readonly cookieKeys: readonly string[]
  readonly sealingKeys: SealingKeys
  readonly trustedIssuers: readonly TrustedIssuer[]
  readonly workspaceId: string
  readonly clock: Clock
  readonly log: Log
}

export interface Issuer {
  /** For requests whose path begins with `/oidc/`. */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** After a rotation: from now on these sign and are published. */
  useKeys(keys: readonly JWK[]): void
}

type Next = () => Promise<void>
type Callback = ReturnType<Provider['callback']>

export function createIssuer(options: IssuerOptions): Issuer {
  const { clock, log, cookieKeys } = options
  const forms = formTokens(cookieKeys)
  const tokenRequests = new TokenRequests(clock)
  const trusted = createTrustedIssuers(options.trustedIssuers, clock)
  const make = (keys: readonly JWK[]): Callback => {
    const provider = createProvider({
      ...options,
      keys,
      trusted,
      base: baseUrl(options, undefined),
      consoleRedirects: consoleRedirects(options),
      cookieSuffix: options.workspaceId.slice(-6),
    })
    provider.use(around(log, clock))
    provider.use(pages(provider, options.signIn, forms))
    listen(provider, options.signIn, log)
    return provider.callback()
  }
  let answer = make(options.keys)
  return {
    async handle(request, response) {
      try {
        const { url, userCode } = rewrite(request, options)
        const context = {
          base: baseUrl(options, readHost(request.headers.host)),
          remoteAddress: clientAddress(request, options.publicUrl !== undefined),
          userAgent: request.headers['user-agent']?.slice(0, 300) ?? '',
          requestId: randomUUID(),
          userCode,
        }
        address(request, url, context.base)
        const isTokenRequest = request.method === 'POST' && url === '/v1/token'
        const { passedOn, namedClient } = isTokenRequest
          ? await tokenRequests.read(request)
          : { passedOn: request, namedClient: undefined }
        await within({ ...context, namedClient, proof: { secretId: undefined } }, () =>
          answer(passedOn, response),
        )
      } catch (error) {
        refuse(response, error, log)
      }
    },
    useKeys(keys) {
      answer = make(keys)
    },
  }
}

/** The console is a page of this server, under each of the names by which a browser here calls it. */
function consoleRedirects({ apiUrl, publicUrl }: OwnAddress): readonly string[] {
  const { port } = new URL(apiUrl)
  const origins = [apiUrl, `http://localhost:${port}`, `http://127.0.0.1:${port}`]
  const all = publicUrl === undefined ? origins : [new URL(publicUrl).origin, ...origins]
  return [...new Set(all.map((origin) => `${origin.replace(/\/+$/, '')}/console/callback`))]
}

/**
 * The address as the provider knows it, without our prefix. Who asks for `offline_access` need not
 * know that OpenID wants a consent for it, and a code that came by a link is not submitted by itself:
 * a person compares it first (RFC 8628 §5.4).
 */
function rewrite(
  request: IncomingMessage,
  options: OwnAddress,
): { readonly url: string; readonly userCode: string | undefined } {
  const base = baseUrl(options, undefined)
  const target = request.url ?? ''
  const { pathname, searchParams: query } = new URL(
    target.startsWith('/') ? `${base}${target}` : base,
  )
  if (!pathname.startsWith(`${mountPath}/`))
    throw new Fault('REQUEST_UNREADABLE', { problem: 'its target is not valid' })
  const path = pathname.slice(mountPath.length)
  const userCode = path === '/device' ? (query.get('user_code') ?? undefined) : undefined
  query.delete('user_code')
  const scopes = query.get('scope')?.split(' ') ?? []
  const prompts = query.get('prompt')?.split(' ').filter(Boolean) ?? []
  const isBare = !prompts.includes('none') && !prompts.includes('consent')
  if (path === '/v1/authorize' && scopes.includes('offline_access') && isBare) {
    query.set('prompt', [...prompts, 'consent'].join(' '))
  }
  return { url: query.size === 0 ? path : `${path}?${query}`, userCode }
}

/** Koa believes these headers; whatever the client sent in their place is gone. */
function address(request: IncomingMessage, url: string, base: string): void {
  const { protocol, host } = new URL(base)
  request.url = url
  Object.assign(request, { originalUrl: `${mountPath}${url}` })
  request.headers['x-forwarded-proto'] = protocol.slice(0, -1)
  request.headers['x-forwarded-host'] = host
}

/** Headers before, words for a refusal after, and one line in the log, which never holds a query. */
function around(log: Log, clock: Clock) {
  return async (ctx: KoaContextWithOIDC, next: Next): Promise<void> => {
    const begun = clock.monotonic()
    const { requestId } = requestContext()
    ctx.set({ ...safeHeaders(), 'x-request-id': requestId })
    try {
      await next()
      teach(ctx, ctx.state.refusal)
    } catch (error) {
      const fault = asFault(error, requestId, log)
      const status = codes[fault.code]
      if (ctx.accepts('json', 'html') === 'html') sendPage(ctx, refusalPage(fault.text, status))
      else {
        ctx.status = status
        ctx.body = { error: fault.code.toLowerCase(), error_description: fault.text }
      }
    }
    if (ctx.status === 404 && ctx.body === undefined) notFound(ctx)
    log.info(
      {
        requestId,
        method: ctx.method,
        // Of pages only the first word: what follows is a secret.
        route: `${mountPath}${/^\/(?:setup|sign-in|device|v1\/authorize)(?=\/)/.exec(ctx.path)?.[0] ?? ctx.path.slice(0, 100)}`,
        status: ctx.status,
        ms: Math.round((clock.monotonic() - begun) * 10) / 10,
        client: ctx.oidc?.client?.clientId,
        identity: ctx.oidc?.entities?.Account?.accountId,
        refusal: ctx.state.refusal instanceof Error ? ctx.state.refusal.message : undefined,
      },
      'answered sign-in request',
    )
  }
}

function notFound(ctx: KoaContextWithOIDC): void {
  const fault = new Fault('API_UNKNOWN', {
    method: ctx.method,
    path: mountPath + ctx.path.slice(0, 200),
  })
  ctx.status = 404
  ctx.body = { error_code: fault.code, message: fault.text }
}

/** Which of our pages a path is; everything else is the provider's. */
function pages(provider: Provider, signIn: SignIn, forms: FormTokens) {
  return async (ctx: KoaContextWithOIDC, next: Next): Promise<void> => {
    const isForm = ctx.method === 'GET' || ctx.method === 'HEAD' || ctx.method === 'POST'
    const [, page, id] = /^\/(sign-in|setup)\/([A-Za-z0-9_-]{1,128})$/.exec(ctx.path) ?? []
    if (isForm && page === 'sign-in') await serveSignIn({ provider, signIn, forms }, ctx, id ?? '')
    else if (isForm && page === 'setup') await serveSetup({ signIn, forms }, ctx, id ?? '')
    else if (
      ctx.path === '/v1/logout' &&
      ctx.method === 'GET' &&
      !(await hasSession(provider, ctx))
    ) {
      sendPage(ctx, signedOutPage)
    } else if (ctx.path === '/device' && ctx.method === 'POST') {
      // Codes are short, so guesses at them are counted like those at passwords.
      const guess = await signIn.countGuess(requestContext().remoteAddress)
      await next()
      if (ctx.status < 400) await guess.forgive()
    } else await next()
  }
}

async function hasSession(provider: Provider, ctx: KoaContextWithOIDC): Promise<boolean> {
  const { accountId } = await provider.Session.get(ctx)
  return accountId !== undefined
}

function listen(provider: Provider, signIn: SignIn, log: Log): void {
  const remember = (ctx: KoaContextWithOIDC, error: unknown) => {
    ctx.state.refusal = error
  }
  const tell = async (ctx: KoaContextWithOIDC, refusal: string | undefined) => {
    const { client, entities, params } = ctx.oidc
    const uid = entities.Account?.accountId ?? entities.AccessToken?.accountId
    const identity =
      uid === undefined ? await principalOf(signIn, client) : await signIn.identity(uid)
    const facts = {
      grant: String(params?.grant_type ?? '').slice(0, 100),
      client: client?.clientId,
      identity: refusal === undefined ? identity : undefined,
      refusal,
    }
    signIn.noteTokenRequest(facts, requestOrigin())
  }
  const warn = (error: unknown) => log.warn({ err: error }, 'cannot note a token request')
  provider.on('grant.error', (ctx, error) => {
    remember(ctx, error)
    if (error.error !== 'authorization_pending') tell(ctx, error.error).catch(warn)
  })
  provider.on('grant.success', (ctx) => {
    tell(ctx, undefined).catch(warn)
  })
  provider.on('authorization.error', remember)
  provider.on('device_authorization.error', remember)
  provider.on('introspection.error', remember)
  provider.on('revocation.error', remember)
  provider.on('device_authorization.success', (_ctx, body) => {
    Object.assign(body as object, { interval: TokenRequests.pollInterval / seconds(1) })
  })
  provider.on('server_error', (_ctx, error) => {
    log.error({ err: error, requestId: requestContext().requestId }, 'failed to answer sign-in')
  })
  // Koa's own event, which the provider's types do not know.
  ;(provider as unknown as NodeJS.EventEmitter).on('error', (error: unknown) =>
    log.warn({ err: error }, 'a sign-in answer was cut off'),
  )
}

/** Of client credentials the client itself is who acts. */
const principalOf = (signIn: SignIn, client: { readonly clientId: string } | undefined) =>
  client === undefined ? undefined : signIn.identityByLogin(client.clientId.toLowerCase())

function asFault(error: unknown, requestId: string, log: Log): Fault {
  if (error instanceof Fault) return error
  log.error({ err: error, requestId }, 'failed to answer sign-in')
  return new Fault('INTERNAL', { request: requestId })
}

/** For requests that never reached the provider. */
function refuse(response: ServerResponse, error: unknown, log: Log): void {
  const fault = asFault(error, randomUUID(), log)
  if (response.headersSent) {
    response.destroy()
    return
  }
  const isSlowDown = fault.reason === 'OAUTH_POLLED_TOO_FAST'
  response.writeHead(isSlowDown ? 400 : codes[fault.code], {
    ...safeHeaders(),
    'content-type': 'application/json',
    connection: fault.reason === 'BODY_TOO_LARGE' ? 'close' : 'keep-alive',
  })
  response.end(
    JSON.stringify({
      error: isSlowDown ? 'slow_down' : 'invalid_request',
      error_description: fault.text,
    }),
  )
}
