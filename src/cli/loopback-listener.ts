/** Waits on a loopback port for a browser to come back from signing in (RFC 8252 §7.3). */
import { createServer, type ServerResponse } from 'node:http'
import { type Millis, timer } from '../lib/time.ts'
import { Refusal } from './refusal.ts'

export interface LoopbackListener {
  readonly redirectUri: string
  /** The address at which the browser came back, with its code or its error. */
  cameBack(patience: Millis): Promise<URL>
  close(): Promise<void>
}

export async function listenOnLoopback(): Promise<LoopbackListener> {
  let arrive: (url: URL) => void = () => undefined
  const arrived = new Promise<URL>((resolve) => {
    arrive = resolve
  })
  const server = createServer((request, response) => {
    const url = new URL(request.url?.startsWith('/') ? request.url : '/', redirectUri)
    const isAnswer =
      request.method === 'GET' &&
      url.pathname === '/callback' &&
      (url.searchParams.has('code') || url.searchParams.has('error'))
    if (!isAnswer) {
      answer(response, 404, 'There is nothing here.')
      return
    }
    answer(
      response,
      200,
      url.searchParams.has('code')
        ? 'Signed in. You can close this page and go back to the terminal.'
        : 'Not signed in. You can close this page; the terminal says why.',
    )
    arrive(url)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0
  const redirectUri = `http://127.0.0.1:${port}/callback`
  return {
    redirectUri,
    cameBack: (patience) =>
      new Promise((resolve, reject) => {
        const waiting = timer(patience, () =>
          reject(new Refusal('nobody came back from the browser', 'Try again, or use --device.')),
        )
        void arrived.then((url) => {
          waiting.cancel()
          resolve(url)
        })
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Lakelet</title><main><h1>Lakelet</h1><p>${text}</p></main></html>`
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    connection: 'close',
  })
  response.end(page)
}
