/**
 * MCP over streamable HTTP on this machine: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports. Without
 * sessions, so that nothing is kept between calls: each request gets a server of its own, and an answer in one piece.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Secret } from '../../lib/secret.ts'
import { Refusal } from '../refusal.ts'
import { denialOf } from './http-guard.ts'

export interface McpOverHttp {
  readonly port: number
  close(): Promise<void>
}

const mostConnections = 64
const path = '/mcp'

/** `port` 0: any. Throws Refusal when it is taken. */
export async function serveHttp(
  { port, token }: { readonly port: number; readonly token: Secret },
  makeServer: () => McpServer,
  onTrouble: (error: unknown) => void,
): Promise<McpOverHttp> {
  const server = createServer((request, response) => {
    const { port: own } = server.address() as { port: number }
    serve(request, response, { port: own, token }, makeServer).catch((error: unknown) => {
      onTrouble(error)
      if (response.headersSent) response.destroy()
      else say(response, 500, 'It failed; the terminal of lakelet mcp says why.')
    })
  })
  server.maxConnections = mostConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const isTaken = 'code' in error && error.code === 'EADDRINUSE'
      reject(isTaken ? new Refusal(`port ${port} is taken`, 'Name another: --port.') : error)
    })
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  door: { readonly port: number; readonly token: Secret },
  makeServer: () => McpServer,
): Promise<void> {
  const denial = denialOf(request.headers, door)
  if (denial !== undefined) {
    if (denial.status === 401) response.setHeader('www-authenticate', 'Bearer realm="lakelet"')
    return say(response, denial.status, denial.says)
  }
  if (new URL(request.url ?? '/', 'http://here').pathname !== path) {
    return say(response, 404, `There is nothing here but ${path}.`)
  }
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST')
    return say(response, 405, 'There are no sessions and no streams here: POST alone.')
  }
  const server = makeServer()
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  response.once('close', () => {
    server.close().catch(() => undefined) // aborts what still runs for a caller that went away
  })
  await server.connect(transport)
  await transport.handleRequest(request, response)
}

/** In the form of JSON-RPC, which is what the caller reads. */
function say(response: ServerResponse, status: number, words: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message: words }, id: null }),
  )
}
