/**
 * One HTTP exchange by node:http. `fetch` would read more easily, but its first use costs Node 20 a
 * hundred milliseconds of compiling, which is as long as a branch takes.
 */
import { Agent, type IncomingMessage, request } from 'node:http'

export interface Exchange {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly statusText: string
  readonly text: string
  /** The first value of a header; `null` when it is absent. */
  header(name: string): string | null
}

export const isSuccess = (status: number): boolean => status >= 200 && status < 300

/** Polls follow a write on its connection. */
const kept = new Agent({ keepAlive: true })

/** Rejects when nobody answered, or not to the end. Redirects are answers like any other. */
export async function exchange(url: string, wanted: Exchange): Promise<Answer> {
  const { protocol } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new Error(`a server's address begins with http:// or https://, not ${protocol}`)
  }
  const secure = protocol === 'https:' ? await import('node:https') : undefined
  const { method, headers, body, signal } = wanted
  const bytes = body === undefined ? undefined : Buffer.from(body)
  return new Promise((resolve, reject) => {
    const options = {
      method,
      signal,
      headers: {
        ...headers,
        // Without one, Node chunks the body of a POST and gives DELETE none.
        ...(bytes === undefined && method !== 'POST' && method !== 'PUT' && method !== 'PATCH'
          ? {}
          : { 'content-length': String(bytes?.length ?? 0) }),
      },
    }
    const onAnswer = (response: IncomingMessage): void => {
      readText(response).then(
        (text) =>
          resolve({
            status: response.statusCode ?? 0,
            statusText: response.statusMessage ?? '',
            text,
            header: (name) => {
              const value = response.headers[name]
              return (Array.isArray(value) ? value[0] : value) ?? null
            },
          }),
        reject,
      )
    }
    const sent =
      secure === undefined
        ? request(url, { ...options, agent: kept }, onAnswer)
        : secure.request(url, options, onAnswer)
    sent.on('error', (error) => reject(signal.aborted ? signal.reason : error))
    sent.end(bytes)
  })
}

/** The answer as it begins, its body unread. Rejects when nobody answered. */
export async function open(
  url: string,
  { method, headers }: Pick<Exchange, 'method' | 'headers'>,
): Promise<IncomingMessage> {
  const send = url.startsWith('https:') ? (await import('node:https')).request : request
  return new Promise((resolve, reject) => {
    const sent = send(url, { method, headers: { ...headers, 'content-length': '0' } }, resolve)
    sent.on('error', reject)
    sent.end()
  })
}

export async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}
