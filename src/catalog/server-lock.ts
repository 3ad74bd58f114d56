/**
 * One server a catalog: an advisory lock of the session that listens. It goes with the process that
 * held it, however that ends. A session can also end while its process lives on (the catalog crashed,
 * an administrator ended it); then the lock is free until we have it again, and a second server may
 * take it. So a lock that is found in other hands is told at once: whoever lost it must stop working.
 */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Log } from '../lib/log.ts'
import { type Clock, millis, seconds } from '../lib/time.ts'

/** Thrown when another server holds the catalog. */
export class CatalogHeld extends Error {
  override readonly name = 'CatalogHeld'
}

/** Key of the server's advisory lock: "lakelet" in ASCII. */
const serverLock = '30505809236059508'
const lookAgain = millis(250)

export interface ServerLock {
  close(): Promise<void>
}

interface Session {
  readonly client: pg.Client
  /** Resolves when its connection is lost or closed. */
  readonly ended: Promise<void>
}

/** Nobody else holds it any more: worth another try. */
class LockFreed extends Error {}

export async function takeServerLock(options: {
  readonly connection: pg.ClientConfig
  readonly clock: Clock
  readonly log: Log
  readonly onNotification: (payload: string) => void
  /** After a loss, when lock and listening are back: what was told meanwhile went unheard. */
  readonly onResumed: () => void
  /** Another server has taken the lock meanwhile. */
  readonly onTaken: (error: CatalogHeld) => void
}): Promise<ServerLock> {
  const { connection, clock, log, onNotification, onResumed, onTaken } = options
  /** Tells our own sessions from another server's. */
  const self = `lakelet server ${randomUUID()}`
  const closing = new AbortController()
  let current: Session | undefined

  const hold = async (): Promise<Session> => {
    const client = new pg.Client({ ...connection, application_name: self, keepAlive: true })
    client.on('error', (error) => log.warn({ err: error }, 'the listening connection was lost'))
    const ended = new Promise<void>((resolve) => {
      client.once('end', () => resolve())
    })
    try {
      await client.connect()
      const { rows } = await client.query('select pg_try_advisory_lock($1) as got', [serverLock])
      if (rows[0]?.got !== true) await refuse(client)
      client.on('notification', ({ payload = '' }) => onNotification(payload))
      await client.query('listen lakelet')
    } catch (error) {
      await quit(client)
      throw error
    }
    return { client, ended }
  }

  /** Held by a session of ours that the catalog has not missed yet: ended, to be tried again. */
  const refuse = async (client: pg.Client): Promise<never> => {
    const { rows } = await client.query(
      `select pid, application_name = $2 as is_ours, application_name = $2 and pg_terminate_backend(pid)
       from pg_locks join pg_stat_activity using (pid)
       where locktype = 'advisory' and objsubid = 1 and granted
         and (classid::bigint << 32) | objid::bigint = $1
         and database = (select oid from pg_database where datname = current_database())`,
      [serverLock, self],
    )
    const isFree = rows.every(({ is_ours }) => is_ours === true)
    if (isFree)
      throw new LockFreed('the lock is free by now, or a session of ours that was lost has it')
    throw new CatalogHeld('another Lakelet server is running on this catalog')
  }
  /** A catalog that hangs must not hang the server's end. */
  const patiently = (work: Promise<unknown>): Promise<unknown> => {
    const enough = new AbortController()
    const patience = clock.sleep(seconds(5), enough.signal)
    return Promise.race([work, patience])
      .catch(() => undefined)
      .finally(() => enough.abort())
  }
  const quit = (client: pg.Client) => patiently(client.end())

  const keep = async (): Promise<void> => {
    while (current !== undefined) {
      await current.ended
      if (closing.signal.aborted) return
      current = await holdAgain()
      if (closing.signal.aborted && current !== undefined) await quit(current.client)
      else if (current !== undefined) onResumed()
    }
  }
  const holdAgain = async (): Promise<Session | undefined> => {
    for (let tries = 0; !closing.signal.aborted; tries += 1) {
      try {
        return await hold()
      } catch (error) {
        if (error instanceof CatalogHeld) {
          onTaken(error)
          return undefined
        }
        if (tries % 40 === 0) log.error({ err: error, tries }, 'cannot listen to the catalog')
        await clock.sleep(lookAgain, closing.signal).catch(() => undefined)
      }
    }
    return undefined
  }

  /** A server that has just ended, or lost its session, is no reason to refuse a start. */
  const holdFirst = async (): Promise<Session> => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await hold()
      } catch (error) {
        if (!(error instanceof LockFreed) || tries === 20) throw error
        await clock.sleep(lookAgain, closing.signal)
      }
    }
  }

  current = await holdFirst()
  const kept = keep()
  return {
    async close() {
      closing.abort()
      if (current !== undefined) await quit(current.client)
      await patiently(kept)
    },
  }
}
