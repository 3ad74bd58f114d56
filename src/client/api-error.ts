/**
 * What can go wrong between this client and a server: the server refused (`ApiError`), an operation
 * ended badly (`OperationFailed`), or nobody answered (`ConnectionFailed`). Each carries what to do
 * about it when that is known.
 */

export interface ApiErrorFacts {
  readonly method: string
  readonly url: string
  readonly status: number
  readonly statusText: string
  readonly code: string
  readonly message: string
  readonly details: readonly unknown[]
}

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly method: string
  readonly url: string
  readonly status: number
  readonly statusText: string
  /** The `error_code` of the answer. */
  readonly code: string
  readonly details: readonly unknown[]
  /** What to do next, as the server put it. */
  readonly hint: string | undefined

  constructor(facts: ApiErrorFacts) {
    super(facts.message)
    this.method = facts.method
    this.url = facts.url
    this.status = facts.status
    this.statusText = facts.statusText
    this.code = facts.code
    this.details = facts.details
    this.hint = hintIn(facts.details, facts.message)
  }
}

/** The server has no such method: another one of the contract, or an older Lakelet. */
export const isUnknownMethod = (error: unknown): boolean =>
  error instanceof ApiError &&
  (error.status === 501 ||
    error.code === 'ENDPOINT_NOT_FOUND' ||
    (error.status === 404 && error.message.startsWith('No API found')))

export class OperationFailed extends Error {
  override readonly name = 'OperationFailed'
  readonly operation: string
  readonly code: string
  readonly details: readonly unknown[]
  readonly hint: string | undefined

  constructor(operation: string, code: string, message: string, details: readonly unknown[]) {
    super(`operation failed: [${code}] ${message}`)
    this.operation = operation
    this.code = code
    this.details = details
    this.hint = hintIn(details, message)
  }
}

/** The operation goes on; only the waiting ended. */
export class WaitTimedOut extends Error {
  override readonly name = 'WaitTimedOut'
  readonly operation: string
  readonly hint: string

  constructor(operation: string, waited: string) {
    super(`the operation is not done after ${waited}: ${operation}`)
    this.operation = operation
    this.hint = `It goes on. Look again with: lakelet postgres get-operation ${operation}`
  }
}

export class ConnectionFailed extends Error {
  override readonly name = 'ConnectionFailed'
  readonly host: string
  /** The system's code where there is one: ECONNREFUSED, ENOTFOUND, CERT_HAS_EXPIRED… */
  readonly code: string | undefined
  readonly hint: string | undefined

  constructor(host: string, cause: unknown) {
    const code = codeOf(cause)
    super(`cannot reach ${host}: ${sayCode(code, cause)}`, { cause })
    this.host = host
    this.code = code
    this.hint = adviceFor(code ?? '', host)
  }
}

export const howToStart = 'Start it with: lakelet up'

function adviceFor(code: string, host: string): string | undefined {
  if (/CERT|SIGNED|ISSUER/.test(code)) {
    return 'Set NODE_EXTRA_CA_CERTS to the file of the authority that signed the certificate.'
  }
  if (/^(ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|.*TIMEOUT|ETIMEDOUT)$/.test(code)) {
    return 'Check the host name and the network.'
  }
  const isHere = /^http:\/\/(localhost|127\.[\d.]+|\[::1\])(:|\/|$)/.test(host)
  return code === 'ECONNREFUSED' && isHere ? howToStart : undefined
}

/** Reads an error body of any kind the contract knows: Databricks, SCIM, old style, plain text. */
export function readErrorBody(
  text: string,
  statusText: string,
): Pick<ApiErrorFacts, 'code' | 'message' | 'details'> {
  const body = parseObject(text)
  if (body === undefined) {
    const plain = text
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim()
    return { code: '', message: plain.slice(0, 500) || statusText || 'no message', details: [] }
  }
  return {
    code: firstText(body.error_code, body.scimType, body.error),
    message:
      firstText(body.message, body.detail, body.error_description, body.error) ||
      statusText ||
      'no message',
    details: Array.isArray(body.details) ? body.details : [],
  }
}

/**
 * LocalizedMessage first, then the descriptions of Help. A hint that the message already ends with
 * is no news, so it is left out.
 */
function hintIn(details: readonly unknown[], message: string): string | undefined {
  const hints = details.flatMap((item) => {
    if (typeof item !== 'object' || item === null) return []
    const detail = item as Readonly<Record<string, unknown>>
    const type = String(detail['@type'] ?? '')
    if (type.endsWith('google.rpc.LocalizedMessage')) return [firstText(detail.message)]
    if (type.endsWith('google.rpc.Help') && Array.isArray(detail.links)) {
      return detail.links.map((link: unknown) =>
        typeof link === 'object' && link !== null && 'description' in link
          ? firstText(link.description)
          : '',
      )
    }
    return []
  })
  const news = [...new Set(hints)].filter((hint) => hint !== '' && !message.includes(hint))
  return news.length === 0 ? undefined : news.join(' ')
}

const firstText = (...values: readonly unknown[]): string =>
  values.find((value): value is string => typeof value === 'string' && value !== '') ?? ''

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>
    }
  } catch {
    // Not JSON: shown as text.
  }
  return undefined
}

/** The reason may be one or two causes deep. */
function codeOf(error: unknown): string | undefined {
  let current: unknown = error
  for (let depth = 0; depth < 4 && current instanceof Error; depth += 1) {
    if ('code' in current && typeof current.code === 'string') return current.code
    if (current.name === 'TimeoutError') return 'ETIMEDOUT'
    if (current instanceof AggregateError && current.errors.length > 0) current = current.errors[0]
    else current = current.cause
  }
  return undefined
}

function sayCode(code: string | undefined, cause: unknown): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return 'the connection was closed'
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'no answer in time'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name cannot be resolved'
    case undefined: {
      const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
      return inner instanceof Error ? inner.message : String(inner)
    }
    default:
      return code
  }
}
