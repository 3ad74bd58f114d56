/** Live sessions by endpoint, from the grant to the close of both sides, so that they can be ended. */
import type { HeldSession, SessionGrant } from '../actions/session.ts'
import type { Fault } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'

export type Grant = Pick<SessionGrant, 'id' | 'endpoint' | 'holder'>

export interface LiveSession {
  readonly grant: Grant
  /** Aborts when the session is told to end; a Fault as its reason is for the client to read. */
  readonly signal: AbortSignal
}

interface Entry extends LiveSession {
  readonly end: (why?: Fault) => void
  readonly finished: Promise<void>
}

export class Sessions {
  readonly #live = new Set<Entry>()

  get size(): number {
    return this.#live.size
  }

  /** Runs `work` as a live session; it is one until `work` is done, however that ends. */
  async run(grant: Grant, work: (session: LiveSession) => Promise<void>): Promise<void> {
    const controller = new AbortController()
    let finish: () => void = () => undefined
    const entry: Entry = {
      grant,
      signal: controller.signal,
      end: (why) => controller.abort(why),
      finished: new Promise<void>((resolve) => {
        finish = resolve
      }),
    }
    this.#live.add(entry)
    try {
      await work(entry)
    } finally {
      this.#live.delete(entry)
      finish()
    }
  }

  /** Ends the sessions of an endpoint, or all; resolves when they are gone. */
  async end(endpoint?: EndpointUid): Promise<void> {
    const meant = [...this.#live].filter(
      ({ grant }) => endpoint === undefined || grant.endpoint === endpoint,
    )
    for (const entry of meant) entry.end()
    await Promise.all(meant.map(({ finished }) => finished))
  }

  /** Those of identities. */
  held(): readonly HeldSession[] {
    return [...this.#live].flatMap(({ grant: { id, endpoint, holder } }) =>
      holder === undefined ? [] : [{ id, endpoint, holder }],
    )
  }

  /** Ends these; resolves when they are gone. */
  async endHeld(ids: readonly string[], why: Fault): Promise<void> {
    const meant = [...this.#live].filter(({ grant }) => ids.includes(grant.id))
    for (const entry of meant) entry.end(why)
    await Promise.all(meant.map(({ finished }) => finished))
  }
}
