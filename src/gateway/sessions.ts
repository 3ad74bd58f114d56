/** Live sessions by endpoint, from the grant to the close of both sides, so that they can be ended. */
import type { EndpointUid } from '../domain/names.ts'

export interface LiveSession {
  readonly endpoint: EndpointUid
  /** Aborts when the session is told to end. */
  readonly signal: AbortSignal
}

interface Entry extends LiveSession {
  readonly end: () => void
  readonly finished: Promise<void>
}

export class Sessions {
  readonly #live = new Set<Entry>()

  get size(): number {
    return this.#live.size
  }

  /** Runs `work` as a live session; it is one until `work` is done, however that ends. */
  async run(endpoint: EndpointUid, work: (session: LiveSession) => Promise<void>): Promise<void> {
    const controller = new AbortController()
    let finish: () => void = () => undefined
    const entry: Entry = {
      endpoint,
      signal: controller.signal,
      end: () => controller.abort(),
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
      (entry) => endpoint === undefined || entry.endpoint === endpoint,
    )
    for (const entry of meant) entry.end()
    await Promise.all(meant.map(({ finished }) => finished))
  }
}
