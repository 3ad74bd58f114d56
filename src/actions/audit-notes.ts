/**
 * What is told to the audit log beside any transaction: refusals, log-ins, sign-ins. Repetitions are put
 * together, so that nobody fills the disk by asking in vain, and nobody waits for the write: entries go
 * out together, at once. A server that is killed may lose the last of these, never an entry of something
 * that was done.
 */

import type { AuditEntry } from '../domain/audit.ts'
import { AuditCoalescing } from '../domain/audit-coalescing.ts'
import { Fault } from '../domain/faults.ts'
import type { ProjectId } from '../domain/names.ts'
import type { Log } from '../lib/log.ts'
import { type Clock, type EpochMs, epochMs } from '../lib/time.ts'
import type { Catalog } from '../ports/catalog.ts'

const writtenAtOnce = 200
/** While the catalog is away; more than these are only counted. */
const mostPending = 5000

export interface AuditNotes {
  note(entry: AuditEntry): void
  /** Once for each error, however many edges it passes. */
  failed(error: unknown, entry: Omit<AuditEntry, 'result' | 'reason'>): void
  /** Writes what waits, and repetitions whose minute is over; says when more falls due. */
  run(): Promise<EpochMs | undefined>
  /** Writes all that is known by now; counts of running minutes too when it is the last call. */
  settle(options?: { readonly isLast?: boolean }): Promise<void>
}

export function auditNotes({
  catalog,
  clock,
  log,
}: {
  readonly catalog: Catalog
  readonly clock: Clock
  readonly log: Log
}): AuditNotes {
  const coalescing = new AuditCoalescing()
  const told = new WeakSet<object>()
  let pending: AuditEntry[] = []
  let lost = 0
  let writing: Promise<void> | undefined

  const queue = (entries: readonly AuditEntry[]) => {
    for (const entry of entries) {
      if (pending.length < mostPending) pending.push(entry)
      else lost += entry.count
    }
  }
  /** One writer at a time; whoever comes meanwhile waits for one more round. */
  const write = async (): Promise<void> => {
    await writing?.catch(() => undefined)
    if (pending.length === 0) return
    writing ??= writeAll().finally(() => {
      writing = undefined
    })
    await writing
  }
  const writeAll = async (): Promise<void> => {
    while (pending.length > 0) {
      const lines = pending.slice(0, writtenAtOnce)
      await catalog.transaction(async (session) => {
        const whole: AuditEntry[] = []
        for (const line of lines) whole.push(await withProject(session, line))
        for (const line of whole) await session.audit.append(line)
      })
      pending = pending.slice(lines.length)
    }
    if (lost > 0) log.error({ entries: lost }, 'entries of the audit log were lost')
    lost = 0
  }
  const note = (entry: AuditEntry) => {
    const line = coalescing.note(entry, clock.now())
    if (line === undefined) return
    queue([line])
    // The loop tries again.
    write().catch((error: unknown) => log.warn({ err: error }, 'cannot write the audit log'))
  }

  return {
    note,
    failed(error, entry) {
      if (typeof error === 'object' && error !== null) {
        if (told.has(error)) return
        told.add(error)
      }
      note(
        error instanceof Fault && error.code !== 'INTERNAL_ERROR'
          ? { ...entry, result: 'refused', reason: error.reason }
          : {
              ...entry,
              result: 'failed',
              reason: error instanceof Fault ? error.reason : 'INTERNAL',
            },
      )
    },
    async run() {
      queue(coalescing.due(clock.now()))
      await write()
      return coalescing.nextDue()
    },
    async settle({ isLast = false } = {}) {
      if (isLast) queue(coalescing.due(epochMs(Number.MAX_SAFE_INTEGER)))
      await write()
    },
  }
}

/** A project that is named decides who may read the entry. */
async function withProject(
  { projects }: Pick<Catalog, 'projects'>,
  entry: AuditEntry,
): Promise<AuditEntry> {
  if (entry.projectUid !== undefined) return entry
  const projectUid = await projectOf(projects, entry.resource)
  return projectUid === undefined ? entry : { ...entry, projectUid }
}

export async function projectOf(
  projects: Catalog['projects'],
  resource: string,
): Promise<string | undefined> {
  const id = /^projects\/([a-z0-9-]{1,63})(?:\/|$)/.exec(resource)?.[1]
  return id === undefined ? undefined : (await projects.byId(id as ProjectId))?.uid
}
