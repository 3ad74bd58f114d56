/**
 * One HTTP request to the API: bearer token, JSON both ways, errors as `ApiError`. Only reads are
 * repeated, only when nobody answered or the server said "later" (429, 503), and only a few times:
 * a repeated write could happen twice, since this API has no request ids.
 */
import type { Secret } from '../lib/secret.ts'
import { type Clock, deadline, type Millis, millis, seconds } from '../lib/time.ts'
import { ApiError, ConnectionFailed, readErrorBody } from './api-error.ts'
import { type Answer, exchange, isSuccess, open, readText } from './exchange.ts'

export type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE' | 'HEAD'

/** JSON text that travels byte for byte, or a value that is written as JSON. */
export type Body = string | Readonly<Record<string, unknown>>

export interface ApiRequest {
  readonly method: Method
  /** From the first slash, already escaped. */
  readonly path: string
  /** Empty, false and absent values are left out, as the contract's clients do. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly body?: Body
  /** Attempts of a read, the first included; default 4. */
  readonly attempts?: number
}

export interface Reply {
  readonly status: number
  readonly text: string
  /** The parsed body; `undefined` when it is empty or not JSON. */
  readonly json: unknown
}

export interface TransportOptions {
  /** Scheme and authority, no slash at the end. */
  readonly host: string
  readonly token: () => Promise<Secret>
  readonly userAgent: string
  readonly agent?: string
  readonly clock: Clock
  /** Sees one line before and after each request; never a header or a body. */
  readonly trace?: (line: string) => void
}

const patience = seconds(65) // the server answers or streams within 60 s
const longestPause = seconds(5)

export class Transport {
  readonly #options: TransportOptions

  constructor(options: TransportOptions) {
    this.#options = options
  }

  get host(): string {
    return this.#options.host
  }

  get clock(): Clock {
    return this.#options.clock
  }

  async send(request: ApiRequest): Promise<Reply> {
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    const attempts = isRead ? (request.attempts ?? 4) : 1
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once(request)
      } catch (error) {
        const pause = attempt < attempts ? pauseAfter(error, attempt) : undefined
        if (pause === undefined) throw error instanceof Refusal ? error.error : error
        await this.#options.clock.sleep(pause)
      }
    }
  }

  /** An answer that is no JSON and may be large: its bytes as they come. Never repeated. */
  async open({
    method,
    path,
  }: Pick<ApiRequest, 'method' | 'path'>): Promise<AsyncIterable<Uint8Array>> {
    const { host, trace } = this.#options
    const url = `${host}${path}`
    trace?.(`> ${method} ${url}`)
    const headers = await this.#headers('*/*')
    const answer = await open(url, { method, headers }).catch((error: unknown) => {
      throw new ConnectionFailed(host, error)
    })
    const { statusCode: status = 0, statusMessage: statusText = '' } = answer
    trace?.(`< ${status}`)
    if (isSuccess(status)) return answer
    const told = readErrorBody(await readText(answer), statusText)
    throw new ApiError({ method, url, status, statusText, ...told })
  }

  async #headers(accept: string): Promise<Record<string, string>> {
    const { token, userAgent, agent } = this.#options
    const bearer = await token()
    return {
      accept,
      authorization: `Bearer ${bearer.reveal()}`,
      'user-agent': userAgent,
      ...(agent === undefined ? {} : { 'x-lakelet-agent': agent }),
    }
  }

  async #once({ method, path, query = {}, body }: ApiRequest): Promise<Reply> {
    const { host, clock, trace } = this.#options
    const url = `${host}${path}${queryString(query, path.includes('?') ? '&' : '?')}`
    const headers = await this.#headers('application/json')
    if (body !== undefined) headers['content-type'] = 'application/json'
    trace?.(`> ${method} ${url}`)
    const began = clock.monotonic()
    let answer: Answer
    try {
      answer = await exchange(url, {
        method,
        headers,
        signal: deadline(patience),
        ...(body === undefined
          ? {}
          : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
    } catch (error) {
      trace?.(`< no answer after ${Math.round(clock.monotonic() - began)} ms`)
      throw new ConnectionFailed(host, error)
    }
    const { status, statusText, text } = answer
    trace?.(`< ${status} after ${Math.round(clock.monotonic() - began)} ms`)
    if (!isSuccess(status)) {
      const refusal = { method, url, status, statusText, ...readErrorBody(text, statusText) }
      throw new Refusal(new ApiError(refusal), answer.header('retry-after'))
    }
    return { status, text, json: parseJson(text) }
  }
}

/** Carries the Retry-After header beside the error as far as the loop above. */
class Refusal extends Error {
  readonly error: ApiError
  readonly retryAfter: string | null

  constructor(error: ApiError, retryAfter: string | null) {
    super(error.message)
    this.error = error
    this.retryAfter = retryAfter
  }
}

/** `undefined`: not worth another attempt. */
function pauseAfter(error: unknown, attempt: number): Millis | undefined {
  const backoff = millis(100 * 3 ** (attempt - 1)) // 100, 300, 900 ms
  if (error instanceof ConnectionFailed) {
    return /CERT|SIGNED|ISSUER/.test(error.code ?? '') ? undefined : backoff
  }
  if (!(error instanceof Refusal)) return undefined
  if (error.error.status !== 429 && error.error.status !== 503) return undefined
  const { retryAfter } = error
  if (retryAfter === null || !/^\d{1,6}$/.test(retryAfter)) return backoff
  return millis(Math.min(seconds(Number(retryAfter)), longestPause))
}

function queryString(query: NonNullable<ApiRequest['query']>, joint: '?' | '&'): string {
  const parameters = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== '' && value !== 0 && value !== false) {
      parameters.set(key, String(value))
    }
  }
  return parameters.size === 0 ? '' : `${joint}${parameters.toString()}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
