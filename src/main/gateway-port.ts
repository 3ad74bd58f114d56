/** Which port Postgres clients dial: 5432 where it is free, else a clear fallback. */
import { createServer } from 'node:net'

export interface PortChoice {
  readonly port: number
  /** Whether the host itself can be listened on too, beside the endpoints' own addresses. */
  readonly hasLocalhost: boolean
  /** What the start screen says when things are not as asked for. */
  readonly notice: string | undefined
}

export class PortTaken extends Error {
  override readonly name = 'PortTaken'
}

const usual = 5432
const fallbacks = Array.from({ length: 20 }, (_, n) => 54320 + n)

/**
 * `probeAddress` is one that no endpoint has: it tells whether somebody listens on all addresses.
 * Another Postgres on 127.0.0.1:5432 is in nobody's way where endpoints have addresses of their own.
 */
export async function choosePort(
  host: string,
  wanted: number,
  probeAddress: string | undefined,
): Promise<PortChoice> {
  if (wanted === 0) return { port: await freePort(host), hasLocalhost: true, notice: undefined }
  const localhost = await isFree(wanted, host)
  const others = probeAddress === undefined ? localhost : await isFree(wanted, probeAddress)
  if (localhost && others) return { port: wanted, hasLocalhost: true, notice: undefined }
  if (others) {
    return {
      port: wanted,
      hasLocalhost: false,
      notice: `Port ${wanted} of ${host} belongs to another program; endpoints answer on their own addresses.`,
    }
  }
  if (wanted !== usual) {
    throw new PortTaken(
      `Port ${wanted} is taken. Free it, or choose another with --pg-port (LAKELET_PG_PORT).`,
    )
  }
  for (const port of fallbacks) {
    if (await isFree(port, host)) {
      return {
        port,
        hasLocalhost: true,
        notice: `Port ${usual} is taken, so Postgres clients use port ${port} ("lakelet env" sets PGPORT). Choose one with --pg-port.`,
      }
    }
  }
  throw new PortTaken(
    `Port ${usual} and ${fallbacks[0]}–${fallbacks.at(-1)} are taken. Choose a free one with --pg-port (LAKELET_PG_PORT).`,
  )
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** Any free one, for a port that was given as 0. */
export function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port: 0, host, exclusive: true }, () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
