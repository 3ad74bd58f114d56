/**
 * The API on a TCP port: bounds on what a slow or hostile client may hold, JSON even for requests
 * that are no HTTP, and a close that does not wait for idle connections.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { Fault } from '../domain/faults.ts'
import { millis, minutes, seconds, timer } from '../lib/time.ts'
import type { Api } from './create-api.ts'
import { renderFault } from './render-fault.ts'
import { newTrace } from './trace.ts'

export interface Listening {
  readonly port: number
  /** Lets running requests end for a moment, then ends every connection. */
  close(): Promise<void>
}

export class ListenFailed extends Error {
  override readonly name = 'ListenFailed'
}

/** How long a running request may take to end while the server closes. */
const closePatience = seconds(5)

/** A part of the server with a protocol of its own, below a path. */
export interface Mount {
  /** Ends with a slash. */
  readonly prefix: string
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>
}

export async function serveApi(
  app: Api,
  address: { readonly host: string; readonly port: number },
  mounts: readonly Mount[] = [],
): Promise<Listening> {
  const answer = getRequestListener(
    (request, { incoming }) => app.fetch(request, originOf(incoming.socket.remoteAddress)),
    {
      hostname: 'localhost', // for requests of HTTP/1.0, which need no Host
      errorHandler: () => unreadable(),
    },
  )
  const server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      headersTimeout: seconds(10),
      requestTimeout: minutes(1),
      keepAliveTimeout: seconds(75), // longer than the pools of common proxies and clients
      connectionsCheckingInterval: seconds(5),
    },
    (incoming, outgoing) => {
      const mount = mounts.find(({ prefix }) => incoming.url?.startsWith(prefix))
      void (mount === undefined ? answer(incoming, outgoing) : mount.handle(incoming, outgoing))
    },
  )
  server.on('clientError', refuseGarbage)
  const port = await listen(server, address)
  return { port, close: () => close(server) }
}

/** An IPv4 client of a socket for both is shown as what it is. */
const originOf = (address: string | undefined) =>
  address === undefined ? {} : { remoteAddress: address.replace(/^::ffff:(?=\d+\.)/i, '') }

function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    // Stays after the start: an error of accepting one connection must not end the process.
    server.on('error', (error: NodeJS.ErrnoException) => {
      reject(new ListenFailed(sayListenError(error.code, host, port), { cause: error }))
    })
    server.listen({ host, port }, () => {
      const bound = server.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port)
    })
  })
}

function sayListenError(code: string | undefined, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is taken by another program. Stop it, or choose another with --api-port (LAKELET_API_PORT).`
    case 'EACCES':
      return `Port ${port} may not be opened by this user. Choose one above 1023 with --api-port (LAKELET_API_PORT).`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is not an address of this machine. Choose one that is, such as 127.0.0.1, with --api-host (LAKELET_API_HOST).`
    default:
      return `Cannot listen on ${host}, port ${port} (${code ?? 'unknown reason'}).`
  }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const impatience = timer(closePatience, () => server.closeAllConnections())
    let sweep: ReturnType<typeof timer> | undefined
    // Connections become idle one by one, as their last request ends.
    const sweepIdle = (): void => {
      server.closeIdleConnections()
      sweep = timer(millis(20), sweepIdle)
    }
    // The error of a server that is closed already is success.
    server.close(() => {
      impatience.cancel()
      sweep?.cancel()
      resolve()
    })
    sweepIdle()
  })
}

const requestFault = (problem: string): string =>
  JSON.stringify(renderFault(new Fault('REQUEST_UNREADABLE', { problem }), newTrace(undefined)))

const unreadable = (): Response =>
  new Response(requestFault('its target or its Host is not valid'), {
    status: 400,
    headers: { 'content-type': 'application/json' },
  })

/** What Node's parser refuses never becomes a request, so it is answered on the bare socket. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const body = requestFault('it is not HTTP, too slow, or its headers are too large')
  socket.end(
    `HTTP/1.1 ${lineOf(error.code)}\r\nContent-Type: application/json\r\nConnection: close\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

function lineOf(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout'
  return '400 Bad Request'
}
