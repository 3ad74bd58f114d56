/**
 * Requests of the token endpoint, looked at before the provider: a device that polls too fast is told
 * so (RFC 8628 §3.5), and a token exchange that proves no client becomes one of the public client for
 * exchanges. Programs federate as a service principal by naming it, without any secret.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { Fault } from '../domain/faults.ts'
import { type Clock, type Millis, millis, minutes, seconds } from '../lib/time.ts'
import { federationClient, grants } from './clients.ts'
import { readBody } from './form.ts'

const longestRequest = 48 * 1024

export interface TokenRequest {
  readonly passedOn: IncomingMessage
  /** The service principal that an exchange named. */
  readonly namedClient: string | undefined
}

export class TokenRequests {
  static readonly pollInterval: Millis = seconds(5)
  readonly #clock: Clock
  readonly #polls: PollPace

  constructor(clock: Clock) {
    this.#clock = clock
    this.#polls = new PollPace(TokenRequests.pollInterval)
  }

  /** Throws BODY_TOO_LARGE and OAUTH_POLLED_TOO_FAST. */
  async read(request: IncomingMessage): Promise<TokenRequest> {
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(
      request.headers['content-type'] ?? '',
    )
    if (!isForm) return { passedOn: request, namedClient: undefined }
    const body = await readBody(request, longestRequest)
    const form = new URLSearchParams(body.toString('utf8'))
    const grant = form.get('grant_type')
    if (grant === grants.device) {
      this.#polls.note(form.get('device_code') ?? '', this.#clock.monotonic())
    }
    if (grant !== grants.exchange || isProven(request, form)) {
      return { passedOn: replay(request, body), namedClient: undefined }
    }
    const namedClient = form.get('client_id') || undefined
    form.set('client_id', federationClient)
    form.delete('client_secret') // empty: some clients send the field all the same
    return {
      passedOn: replay(request, Buffer.from(form.toString())),
      namedClient: namedClient === federationClient ? undefined : namedClient,
    }
  }
}

const isProven = ({ headers }: IncomingMessage, form: URLSearchParams): boolean =>
  headers.authorization !== undefined || (form.get('client_secret') ?? '') !== ''

/** The same request with its body still to be read; only what the provider looks at. */
function replay(request: IncomingMessage, body: Buffer): IncomingMessage {
  const { method, url, httpVersion, httpVersionMajor, httpVersionMinor, socket } = request
  const headers: IncomingMessage['headers'] = {
    ...request.headers,
    'content-length': String(body.length),
  }
  delete headers['transfer-encoding']
  return Object.assign(Readable.from([body]), {
    method,
    url,
    originalUrl: (request as { originalUrl?: string }).originalUrl,
    httpVersion,
    httpVersionMajor,
    httpVersionMinor,
    socket,
    connection: socket,
    headers,
  }) as unknown as IncomingMessage
}

const mostCodes = 10_000

/** When each device code was asked for last. Bounded: the oldest are forgotten first. */
class PollPace {
  readonly #interval: Millis
  readonly #polls = new Map<string, { readonly last: Millis; readonly interval: Millis }>()

  constructor(interval: Millis) {
    this.#interval = interval
  }

  note(deviceCode: string, now: Millis): void {
    const key = createHash('sha256').update(deviceCode).digest('base64url')
    const before = this.#polls.get(key)
    const interval = before?.interval ?? this.#interval
    // A second of grace: clients wait by clocks of their own.
    const isFast = before !== undefined && now - before.last < interval - seconds(1)
    const longest = minutes(1)
    const next = isFast ? millis(Math.min(interval + seconds(5), longest)) : interval
    this.#polls.delete(key)
    this.#polls.set(key, { last: now, interval: next })
    if (this.#polls.size > mostCodes) this.#polls.delete(this.#polls.keys().next().value ?? '')
    if (isFast) throw new Fault('OAUTH_POLLED_TOO_FAST', { seconds: next / seconds(1) })
  }
}
