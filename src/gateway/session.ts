/** One session from its log-in at the compute to its end: limits, cancel key, orderly ending. */
import type { Socket } from 'node:net'
import { Fault } from '../domain/faults.ts'
import { deadline, millis, timer } from '../lib/time.ts'
import { terminate } from '../wire/client-message.ts'
import type { CancelKey } from '../wire/start-packet.ts'
import type { CancelKeys } from './cancel-keys.ts'
import type { GatewayLimits } from './limits.ts'
import type { GatewayMetrics } from './metrics.ts'
import { printFault } from './refusal.ts'
import { type Relay, relay } from './relay.ts'
import { sayAndClose } from './stream-reading.ts'

export interface SessionParts {
  readonly client: Socket
  readonly compute: Socket
  /** The client's first words if it spoke before it was greeted. */
  readonly early: Buffer
  readonly greeting: Buffer
  readonly key: CancelKey | undefined
  readonly socketPath: string
  readonly signal: AbortSignal
}

export interface SessionSurroundings {
  readonly limits: GatewayLimits
  readonly metrics: GatewayMetrics
  readonly cancelKeys: CancelKeys
}

/** Idle time is looked at this often within its limit. */
const idleLooks = 4

/** Resolves when both sides are closed. */
export async function runSession(
  parts: SessionParts,
  { limits, metrics, cancelKeys }: SessionSurroundings,
): Promise<void> {
  const { client, compute, signal, key } = parts
  const remembered = key === undefined ? undefined : cancelKeys.remember(key, parts.socketPath)
  const pipe = relay(client, compute, limits)
  let isEnding = false
  const end = () => {
    if (isEnding) return
    isEnding = true
    const why = signal.reason instanceof Fault ? signal.reason : undefined
    if (why !== undefined) return void endWithWord(why)
    // A session that works is not waited for: its query is cancelled and both sides are closed.
    if (!pipe.isQuiet && key !== undefined) void cancelKeys.cancel(key, limits.farewell)
    endBoth(pipe, client, compute, limits)
  }
  /** Who loses a right should read it: so a query that runs is cancelled, and its end waited for. */
  const endWithWord = async (why: Fault) => {
    pipe.hush()
    if (!pipe.isQuiet && key !== undefined) await cancelKeys.cancel(key, limits.farewell)
    await quiet(pipe)
    endBoth(pipe, client, compute, limits, why)
  }
  const life = timer(limits.life, end)
  const idle = watchIdle(pipe, limits, end)
  signal.addEventListener('abort', end, { once: true })
  metrics.sessions += 1
  metrics.sessionsOpened += 1
  try {
    if (parts.early.length > 0) compute.write(parts.early)
    client.write(parts.greeting)
    if (signal.aborted) end()
    await pipe.closed
  } finally {
    metrics.sessions -= 1
    metrics.bytesFromClients += pipe.bytesFromClient
    metrics.bytesToClients += pipe.bytesToClient
    signal.removeEventListener('abort', end)
    life.cancel()
    idle.cancel()
    remembered?.forget()
  }
}

function endBoth(
  pipe: Relay,
  client: Socket,
  compute: Socket,
  limits: Pick<GatewayLimits, 'farewell'>,
  why = new Fault('ENDING'),
): void {
  const { isQuiet } = pipe
  pipe.detach()
  const patience = deadline(limits.farewell)
  sayAndClose(client, isQuiet ? printFault(why) : undefined, patience)
  sayAndClose(compute, isQuiet ? terminate : undefined, patience)
}

const looks = 100

/** Resolves when the compute has said all, or after two seconds. */
async function quiet(pipe: Relay): Promise<void> {
  for (let look = 0; look < looks && !pipe.isQuiet; look += 1) {
    await new Promise<void>((resolve) => timer(millis(20), resolve))
  }
}

/** A session is idle when no byte passed in either direction for the whole limit. */
function watchIdle(
  pipe: Relay,
  limits: Pick<GatewayLimits, 'idle'>,
  end: () => void,
): { cancel(): void } {
  let seen = -1
  let quietLooks = 0
  let current: { cancel(): void } | undefined
  const look = () => {
    const passed = pipe.bytesFromClient + pipe.bytesToClient
    quietLooks = passed === seen ? quietLooks + 1 : 0
    seen = passed
    if (quietLooks >= idleLooks) end()
    else current = timer(millis(limits.idle / idleLooks), look)
  }
  current = timer(millis(limits.idle / idleLooks), look)
  return { cancel: () => current?.cancel() }
}
