/**
 * How a reader keeps up with its writer. A writer that sleeps cannot change, so a reader that has all
 * of its log is exact and wakes nobody; one that lacks something wakes the writer, or is made anew.
 */
import type { Endpoint } from '../domain/endpoint.ts'
import { isReader } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import { type Standing, standingOf } from '../domain/standing.ts'
import { type Millis, millis, seconds } from '../lib/time.ts'
import type { EndpointContext } from '../ports/catalog.ts'
import type { ReplayGoal } from '../ports/compute.ts'
import { lockOf, stopOf, wake } from './fleet.ts'
import { placeReader, startReader, writerOf } from './readers.ts'
import type { Services } from './services.ts'
import { volumeOf } from './volume-of.ts'

export interface Effort {
  /** For replay of what is on its way. */
  readonly patience: Millis
  /** Whether a writer that sleeps may be woken for it. */
  readonly mayWake: boolean
}

/** A login waits this long for what was committed before it; a client's own patience is often 10 s. */
export const loginEffort: Effort = { patience: seconds(5), mayWake: true }

/** A reader that is connected has received what was flushed long before this. */
const connected = millis(300)

/**
 * Brings a running reader up to everything that was committed before the call. One that cannot be is
 * restarted, or made anew, which ends its sessions; one that is merely late is left as it is.
 */
export async function catchUp(
  services: Services,
  context: EndpointContext,
  effort: Effort,
): Promise<void> {
  const { computes, log } = services
  const { endpoint } = context
  for (let tries = 0; tries < 3; tries += 1) {
    const before = computes.state(endpoint.uid)
    if (before.kind !== 'ready') return // whoever needs it starts it, and asks again
    const standing = await lookAt(services, context, effort)
    if (standing === 'current') return
    if (standing === 'late') {
      if (effort.mayWake) log.warn({ endpoint: endpoint.uid }, 'a reader is behind its writer')
      return
    }
    log.info({ endpoint: endpoint.uid, standing }, 'renew a reader')
    await renew(services, context, standing, before.pid)
  }
}

async function lookAt(
  services: Services,
  { branch, endpoint }: EndpointContext,
  { patience, mayWake }: Effort,
): Promise<Standing> {
  const { catalog, computes, storage } = services
  const writer = await writerOf(catalog, branch)
  if ((await computes.look(writer.uid)).kind !== 'ready') {
    if (!mayWake) return 'late'
    const { position, isShutDown } = await storage.lastCheckpoint(volumeOf(branch))
    if (isShutDown) {
      // All before that checkpoint is all that there is; what has not arrived by now never will.
      const goal = { through: position, oldest: position, patience }
      if ((await compare(services, endpoint, goal)) === 'current') return 'current'
    }
    // Killed, or put to sleep while the reader did not listen.
    if (writer.isDisabled) return isShutDown ? 'lost' : 'late'
    await wake(services, { branch, endpoint: writer })
    await computes.followNow(endpoint.uid)
  }
  const { flushed: through, oldest } = await computes.logReach(writer.uid)
  const first = patience < connected ? patience : connected
  const standing = await compare(services, endpoint, { through, oldest, patience: first })
  if (standing !== 'late' || first === patience) return standing
  // It may have asked just before its writer was there, and would ask again after five seconds.
  await computes.followNow(endpoint.uid)
  return compare(services, endpoint, { through, oldest, patience })
}

async function compare(
  { computes }: Pick<Services, 'computes'>,
  { uid }: Pick<Endpoint, 'uid'>,
  goal: ReplayGoal,
): Promise<Standing> {
  return standingOf(await computes.awaitReplay(uid, goal), goal)
}

/** Unless somebody else has done so: it is another process then. */
async function renew(
  services: Services,
  context: EndpointContext,
  standing: 'paused' | 'lost',
  pid: number,
): Promise<void> {
  const { computes, volumes } = services
  const { branch, endpoint } = context
  await volumes.run(lockOf(branch, endpoint), () =>
    volumes.run(stopOf(endpoint), async () => {
      const now = computes.state(endpoint.uid)
      if (now.kind !== 'ready' || now.pid !== pid) return
      await computes.stop(endpoint.uid, 'fast')
      if (standing === 'lost') await placeReader(services, context)
      await startReader(services, context, (writer) => wake(services, { branch, endpoint: writer }))
    }),
  )
}

/**
 * Prepares a role where a session is to run. A reader takes no writes: what is missing there is made
 * on its writer, which is woken for it, and has arrived when this returns.
 */
export async function prepareRole<T>(
  services: Services,
  context: EndpointContext,
  prepare: (endpoint: EndpointUid) => Promise<T>,
): Promise<T> {
  const { branch, endpoint } = context
  if (!isReader(endpoint)) return prepare(endpoint.uid)
  try {
    return await prepare(endpoint.uid)
  } catch (error) {
    if (!isRefusedWrite(error)) throw error
  }
  const writer = await writerOf(services.catalog, branch)
  await wake(services, { branch, endpoint: writer })
  await prepare(writer.uid)
  await catchUp(services, context, loginEffort)
  try {
    return await prepare(endpoint.uid)
  } catch (error) {
    // It is there, but has not arrived: a long query on the reader may hold up its replay.
    if (isRefusedWrite(error)) throw new Fault('READER_BEHIND', { endpoint: endpoint.uid })
    throw error
  }
}

/** SQLSTATE 25006, read_only_sql_transaction: the first statement that would change something. */
const isRefusedWrite = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '25006'
