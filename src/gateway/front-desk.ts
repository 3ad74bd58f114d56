/**
 * What happens to an accepted connection, from its first byte to its end. The order is the promise:
 * a stranger costs a place and little else, proof comes before waking, and whoever was granted a
 * session is reported closed exactly once.
 */
import type { Socket } from 'node:net'
import type { GatewayLink, SessionAnswer, SessionGrant } from '../actions/session.ts'
import { Fault, fromRecord } from '../domain/faults.ts'
import type { Log } from '../lib/log.ts'
import { type Clock, deadline, seconds } from '../lib/time.ts'
import { Admission } from './admission.ts'
import { CancelKeys } from './cancel-keys.ts'
import { Certificates } from './certificates.ts'
import { type Asked, ClientConnection, gone, type ProvedClient } from './client-connection.ts'
import { connectToCompute, startupFor } from './compute-connection.ts'
import type { GatewayLimits } from './limits.ts'
import { LoginThrottle } from './login-throttle.ts'
import { type GatewayMetrics, newMetrics } from './metrics.ts'
import { printFault, toFault } from './refusal.ts'
import { plainAddress } from './route.ts'
import { runSession } from './session.ts'
import { type LiveSession, Sessions } from './sessions.ts'
import { StageDeadline, within } from './stage-deadline.ts'
import { sayAndClose } from './stream-reading.ts'

export interface FrontDeskOptions {
  readonly link: GatewayLink
  readonly limits: GatewayLimits
  readonly log: Log
  readonly clock: Clock
}

export class FrontDesk {
  readonly sessions = new Sessions()
  readonly #link: GatewayLink
  readonly #limits: GatewayLimits
  readonly #log: Log
  readonly #clock: Clock
  readonly #metrics: GatewayMetrics = newMetrics()
  readonly #admission: Admission
  readonly #cancelKeys = new CancelKeys()
  readonly #certificates: Certificates
  readonly #throttle: LoginThrottle
  /** Every connection that is not closed yet, each until its end. */
  readonly #served = new Map<Socket, Promise<void>>()
  /** Those that are not sessions yet. */
  readonly #deadlines = new Set<StageDeadline>()
  /** Refusals that came from the server, which knows of them. */
  readonly #judged = new WeakSet<Fault>()

  constructor({ link, limits, log, clock }: FrontDeskOptions) {
    this.#link = link
    this.#limits = limits
    this.#log = log
    this.#clock = clock
    this.#admission = new Admission(limits)
    this.#certificates = new Certificates(link, clock, limits.decision)
    this.#throttle = new LoginThrottle(limits, clock)
  }

  get metrics(): Readonly<GatewayMetrics> {
    return { ...this.#metrics, strangers: this.#admission.strangers }
  }

  /** Has the certificate of an address ready before anybody dials it. */
  warm(address: string): void {
    this.#certificates
      .context(undefined, address)
      .catch((error: unknown) => this.#log.debug({ err: error, address }, 'no certificate yet'))
  }

  /** Takes over an accepted socket. Never throws: whatever goes wrong ends this connection alone. */
  receive(raw: Socket): void {
    raw.on('error', () => undefined) // every failure ends in `close`, which is what is watched
    this.#metrics.accepted += 1
    const served = this.#serve(raw)
      .catch((error: unknown) => {
        this.#log.error({ err: error }, 'a connection failed')
        raw.destroy()
      })
      .finally(() => this.#served.delete(raw))
    this.#served.set(raw, served)
  }

  /** Ends everything; resolves when nothing is left. */
  async stop(): Promise<void> {
    for (const stage of this.#deadlines) stage.expire()
    await this.sessions.end()
    for (const raw of this.#served.keys()) raw.destroy()
    // Whoever still waits for the server's answer holds nothing more; it is not worth a long wait.
    const enough = new AbortController()
    await Promise.race([
      this.settled(),
      this.#clock.sleep(this.#limits.farewell, enough.signal).catch(() => undefined),
    ])
    enough.abort()
  }

  /** Resolves when every connection that is here now has come to its end by itself. */
  async settled(): Promise<void> {
    while (this.#served.size > 0) await Promise.all(this.#served.values())
  }

  async #serve(raw: Socket): Promise<void> {
    const place = this.#admission.enter(plainAddress(raw.remoteAddress))
    if (place === undefined) return this.#shed(raw)
    const { limits } = this.#surroundings
    const stage = new StageDeadline(limits.handshake)
    this.#deadlines.add(stage)
    const connection = new ClientConnection(raw, stage, this.#surroundings)
    try {
      const proved = await connection.prove()
      place.leave()
      this.#deadlines.delete(stage)
      stage.cancel()
      if (proved === gone) this.#metrics.handshakesFailed += 1
      else await this.#open(connection.socket, proved)
    } catch (error) {
      this.#refuse(connection, error)
    } finally {
      place.leave()
      this.#deadlines.delete(stage)
      stage.cancel()
    }
    await closeOf(connection.socket)
  }

  get #surroundings() {
    return {
      link: this.#link,
      limits: this.#limits,
      metrics: this.#metrics,
      certificates: this.#certificates,
      cancelKeys: this.#cancelKeys,
      throttle: this.#throttle,
      log: this.#log,
    }
  }

  async #open(client: Socket, { asked, proof, early }: ProvedClient): Promise<void> {
    const { hints, user, database, remoteAddress } = asked
    if (this.#metrics.opening >= this.#limits.opening) {
      throw new Fault('TOO_MANY_CONNECTIONS', { what: 'this gateway' })
    }
    this.#metrics.opening += 1
    let answer: SessionAnswer
    try {
      const open = this.#link.open({ hints, user, database, remoteAddress, proof })
      answer = await within(this.#limits.open, open, () => {
        // The grant may still come; the server must not go on counting the session.
        open.then((late) => this.#closeIfGranted(late)).catch(() => undefined)
        return new Fault('UNAVAILABLE', { doing: 'not answering' })
      })
    } finally {
      this.#metrics.opening -= 1
    }
    if (answer.kind === 'refused') {
      const fault = fromRecord(answer.fault)
      if (fault.code === 'UNAUTHENTICATED') this.#throttle.failed(remoteAddress, user)
      this.#judged.add(fault)
      throw fault
    }
    const { grant } = answer
    this.#throttle.succeeded(remoteAddress, user)
    try {
      await this.sessions.run(grant, (session) =>
        this.#converse(client, asked, early, grant, session),
      )
    } finally {
      this.#closeIfGranted(answer)
    }
  }

  async #converse(
    client: Socket,
    asked: Asked,
    early: Buffer,
    grant: SessionGrant,
    { signal }: LiveSession,
  ): Promise<void> {
    if (client.destroyed) return
    const startup = startupFor(grant, asked.database, asked.options, asked.startup)
    const compute = await connectToCompute({
      grant,
      startup,
      limits: this.#limits,
      clock: this.#clock,
      signal,
    })
    if (compute.kind === 'refused') {
      this.#metrics.loginsRefused += 1
      sayAndClose(client, compute.message, deadline(this.#limits.farewell))
      return
    }
    const { socketPath } = grant
    await runSession(
      { ...compute, client, compute: compute.socket, early, socketPath, signal },
      {
        limits: this.#limits,
        metrics: this.#metrics,
        cancelKeys: this.#cancelKeys,
      },
    )
  }

  /** The one call of `closed` for each grant. */
  #closeIfGranted(answer: SessionAnswer): void {
    if (answer.kind !== 'granted') return
    try {
      this.#link.closed(answer.grant.endpoint)
    } catch (error) {
      this.#log.warn({ err: error }, 'the server could not be told that a session closed')
    }
  }

  #tellRefused(
    { hints, user, database, remoteAddress }: Asked,
    reason: Parameters<GatewayLink['refused']>[1],
  ): void {
    try {
      this.#link.refused({ hints, user, database, remoteAddress }, reason)
    } catch (error) {
      this.#log.warn({ err: error }, 'the server could not be told of a refused log-in')
    }
  }

  #refuse({ socket, asked, canRead }: ClientConnection, error: unknown): void {
    const fault = toFault(error, this.#log)
    this.#metrics.handshakesFailed += 1
    const isLogin = asked !== undefined && fault.reason !== 'HANDSHAKE_TIMEOUT'
    if (isLogin && fault.code === 'UNAUTHENTICATED') this.#metrics.loginsRefused += 1
    const { user, database, hints, remoteAddress } = asked ?? {}
    if (isLogin && fault.code === 'UNAUTHENTICATED' && !this.#judged.has(fault)) {
      this.#tellRefused(asked, fault.reason)
    }
    this.#log.info({ reason: fault.reason, user, database, hints, remoteAddress }, 'log-in refused')
    if (canRead) sayAndClose(socket, printFault(fault), deadline(this.#limits.farewell))
    else socket.destroy()
  }

  /** Before TLS and without a read: the cheapest way to say it. libpq shows it as it is. */
  async #shed(raw: Socket): Promise<void> {
    this.#metrics.shed += 1
    const fault = new Fault('TOO_MANY_CONNECTIONS', { what: 'this gateway before a log-in' })
    sayAndClose(raw, printFault(fault), deadline(seconds(1)))
    await closeOf(raw)
  }
}

const closeOf = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
