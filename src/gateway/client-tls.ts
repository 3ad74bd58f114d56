/** The server's side of TLS on an accepted socket, with the certificate of the name or address. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { alpnProtocol } from '../wire/client-handshake.ts'
import type { Certificates } from './certificates.ts'
import { plainAddress, serverNameOf } from './route.ts'

export interface SecureClient {
  readonly socket: TLSSocket
  readonly serverName: string | undefined
  readonly alpn: string | undefined
}

/** `undefined`: the handshake failed, the client left or the signal aborted; the socket is closed. */
export async function secureClient(
  raw: Socket,
  certificates: Certificates,
  signal: AbortSignal,
): Promise<SecureClient | undefined> {
  const localAddress = plainAddress(raw.localAddress)
  // For a client without a server name; needed before its greeting is read.
  const secureContext = await certificates.context(undefined, localAddress)
  if (signal.aborted || raw.destroyed) {
    raw.destroy()
    return undefined
  }
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext,
    ALPNProtocols: [alpnProtocol],
    SNICallback: (sent, done) => {
      const name = serverNameOf(sent)
      if (name === undefined) {
        done(null, secureContext)
        return
      }
      certificates.context(name, localAddress).then(
        (context) => done(null, context),
        (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
      )
    },
  })
  socket.on('error', () => undefined) // every failure ends in `close`, which is what is watched
  const isSecure = await new Promise<boolean>((resolve) => {
    const abort = () => socket.destroy()
    signal.addEventListener('abort', abort, { once: true })
    const settle = (outcome: boolean) => {
      signal.removeEventListener('abort', abort)
      resolve(outcome)
    }
    socket.once('secure', () => settle(true))
    socket.once('close', () => settle(false))
  })
  if (!isSecure) {
    raw.destroy()
    return undefined
  }
  return {
    socket,
    serverName: serverNameOf(sentName(socket)),
    alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
  }
}

/** On a server's socket Node keeps the client's server name here; its types know it on servers only. */
const sentName = (socket: TLSSocket & { servername?: string | false | null }) => socket.servername
