/**
 * Which certificate a connection is shown: by its TLS server name or, without one, by the address
 * that was dialled. The server makes them; here they are kept as ready TLS contexts for a while.
 */
import { createHash, randomBytes } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { GatewayLink } from '../actions/session.ts'
import { Fault } from '../domain/faults.ts'
import { type Clock, hours, type Millis } from '../lib/time.ts'
import { within } from './stage-deadline.ts'

/** Server names are the clients' to choose, so what is kept for them is bounded. */
const maxContexts = 500
/** Asked again after this, so that a renewed certificate comes into use. */
const keptFor = hours(1)

interface Kept {
  readonly context: Promise<SecureContext>
  readonly until: number
}

export class Certificates {
  readonly #link: Pick<GatewayLink, 'certificate'>
  readonly #clock: Clock
  readonly #patience: Millis
  readonly #kept = new Map<string, Kept>()
  /** One for all contexts: a ticket stays good when its context is made anew. */
  readonly #ticketKeys = randomBytes(48)
  /** Equal contexts share one object, however many names lead to them. */
  readonly #byContent = new Map<string, WeakRef<SecureContext>>()

  constructor(link: Pick<GatewayLink, 'certificate'>, clock: Clock, patience: Millis) {
    this.#link = link
    this.#clock = clock
    this.#patience = patience
  }

  context(serverName: string | undefined, localAddress: string): Promise<SecureContext> {
    const key = serverName ?? `[${localAddress}]`
    const now = this.#clock.monotonic()
    const found = this.#kept.get(key)
    this.#kept.delete(key)
    const kept =
      found !== undefined && now < found.until
        ? found
        : { context: this.#make(serverName, localAddress), until: now + keptFor }
    this.#kept.set(key, kept) // last in line again: the first of the map is the least used
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maxContexts) break
      this.#kept.delete(oldest)
    }
    kept.context.catch(() => {
      if (this.#kept.get(key) === kept) this.#kept.delete(key) // a failure is not kept
    })
    return kept.context
  }

  async #make(serverName: string | undefined, localAddress: string): Promise<SecureContext> {
    const { chain, key } = await within(
      this.#patience,
      this.#link.certificate(serverName, localAddress),
      () => new Fault('UNAVAILABLE', { doing: 'not answering' }),
    )
    const content = createHash('sha256').update(chain).update(key).digest('base64')
    const known = this.#byContent.get(content)?.deref()
    if (known !== undefined) return known
    const context = createSecureContext({
      cert: chain,
      key,
      minVersion: 'TLSv1.2',
      ticketKeys: this.#ticketKeys,
      sessionIdContext: 'lakelet', // resumption without one is refused by OpenSSL
    })
    if (this.#byContent.size >= maxContexts) this.#byContent.clear()
    this.#byContent.set(content, new WeakRef(context))
    return context
  }
}
