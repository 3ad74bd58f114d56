/**
 * From a grant to a compute that is ready for the client's first query. The server says that the
 * compute answers, yet its socket may be missing for a moment (a restart between grant and connect),
 * so a short, bounded time of refusals is waited out.
 */
import { connect, type Socket } from 'node:net'
import type { SessionGrant } from '../actions/session.ts'
import { Fault } from '../domain/faults.ts'
import { type Clock, deadline } from '../lib/time.ts'
import { ComputeLogin, type LoginProgress } from '../wire/compute-login.ts'
import { type CancelKey, printStartPacket, type Startup } from '../wire/start-packet.ts'
import type { GatewayLimits } from './limits.ts'
import { nextChunk } from './stream-reading.ts'

export type ComputeConnection =
  | {
      readonly kind: 'ready'
      readonly socket: Socket
      /** For the client: AuthenticationOk up to ReadyForQuery. */
      readonly greeting: Buffer
      readonly key: CancelKey | undefined
    }
  /** Postgres's own error, for the client. */
  | { readonly kind: 'refused'; readonly message: Buffer }

export interface ComputeLoginOptions {
  readonly grant: SessionGrant
  readonly startup: Startup
  readonly limits: Pick<GatewayLimits, 'computeLogin' | 'connectRetry'>
  readonly clock: Clock
  /** The client is gone, or the session was told to end. */
  readonly signal: AbortSignal
}

/** What passes by itself. EAGAIN: the backlog of a Unix socket is full. */
const passingErrors: readonly string[] = ['ENOENT', 'ECONNREFUSED', 'EAGAIN', 'ECONNRESET', 'EPIPE']
/** cannot_connect_now: Postgres is starting up or shutting down. */
const cannotConnectNow = '57P03'

export async function connectToCompute(options: ComputeLoginOptions): Promise<ComputeConnection> {
  const { grant, limits, clock, signal } = options
  const giveUpAt = clock.monotonic() + limits.computeLogin
  for (;;) {
    const attempt = await tryOnce(options)
    if (attempt.kind === 'ready') return attempt
    if (attempt.kind === 'refused' && attempt.sqlstate !== cannotConnectNow) return attempt
    if (signal.aborted) throw new Fault('ENDING')
    if (clock.monotonic() >= giveUpAt) {
      if (attempt.kind === 'refused') return attempt
      throw new Fault('COMPUTE_STARTING', { endpoint: grant.endpoint })
    }
    await clock.sleep(limits.connectRetry)
  }
}

type Attempt =
  | Extract<ComputeConnection, { kind: 'ready' }>
  | { readonly kind: 'refused'; readonly sqlstate: string; readonly message: Buffer }
  | { readonly kind: 'absent' }

async function tryOnce({ grant, startup, limits, signal }: ComputeLoginOptions): Promise<Attempt> {
  const socket = connect({ path: grant.socketPath, allowHalfOpen: true })
  const patience = AbortSignal.any([signal, deadline(limits.computeLogin)])
  let error: Error | undefined
  socket.on('error', (problem) => {
    error ??= problem
  })
  socket.write(printStartPacket({ kind: 'startup', startup }))
  const login = new ComputeLogin()
  let progress: LoginProgress = { kind: 'waiting' }
  while (progress.kind === 'waiting') {
    const chunk = await nextChunk(socket, patience)
    if (chunk === undefined) break
    progress = login.receive(chunk)
  }
  if (progress.kind === 'ready') return { ...progress, socket }
  socket.destroy()
  switch (progress.kind) {
    case 'refused':
      return progress
    case 'broken':
      throw new Fault('COMPUTE_FAILED', { endpoint: grant.endpoint, problem: progress.problem })
    case 'waiting':
      if (error !== undefined && !isPassing(error)) throw error
      return { kind: 'absent' }
  }
}

const isPassing = (error: Error): boolean =>
  'code' in error && typeof error.code === 'string' && passingErrors.includes(error.code)

/** The client's startup packet with what was granted in place of what was asked. */
export function startupFor(
  grant: SessionGrant,
  database: string,
  options: string | undefined,
  asked: Startup,
): Startup {
  const ours = ['user', 'database', 'options']
  return {
    major: 3,
    minor: 0,
    parameters: [
      ['user', grant.role],
      ['database', database],
      ...(options === undefined ? [] : [['options', options] as const]),
      ...asked.parameters.filter(([name]) => !ours.includes(name)),
    ],
  }
}
