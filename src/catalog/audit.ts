/** The audit log's rows. Numbers, hashes and the refusal of changes are the table's own doing. */
import { type Insertable, type Kysely, type Selectable, sql } from 'kysely'
import type { AuditEntry, AuditResult } from '../domain/audit.ts'
import {
  type Audit,
  type AuditQuery,
  type AuditVerification,
  type RecordedEntry,
  sweepAction,
} from '../ports/audit.ts'
import { toDate, toMoment } from './rows.ts'
import type { AuditTable, Schema } from './schema.ts'

const verifiedAtOnce = 20_000
const forgottenAtOnce = 10_000

export const auditIn = (db: Kysely<Schema>): Audit => ({
  async append(entry) {
    await db.insertInto('audit').values(writeLine(entry)).execute()
  },
  async list(query) {
    const rows = await select(db, query).orderBy('seq', 'desc').limit(query.limit).execute()
    return rows.map(readLine)
  },
  // One snapshot for all of it: a sweep meanwhile must not look like missing entries.
  verify: (kept) =>
    db
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(async (tx) => {
        const found = await verify(tx)
        if (kept === undefined || found.broken !== undefined) return found
        return { ...found, broken: await rewritten(tx, found, kept) }
      }),
  async forget(before) {
    const { rows: bounds } = await sql<{ first: string | null; kept: string | null }>`
      select (select min(seq) from audit) as first,
        coalesce(
          (select seq from audit where time >= ${toDate(before)} order by seq limit 1),
          (select max(seq) from audit)
        ) as kept`.execute(db)
    const [{ first, kept } = { first: null, kept: null }] = bounds
    if (first === null || kept === null || first === kept) return undefined
    const through = Math.min(Number(kept) - 1, Number(first) + forgottenAtOnce - 1)
    const last = await db
      .selectFrom('audit')
      .select('hash')
      .where('seq', '=', String(through))
      .executeTakeFirstOrThrow()
    await sql`select set_config('lakelet.audit_forget', ${String(through)}, true)`.execute(db)
    const result = await db
      .deleteFrom('audit')
      .where('seq', '<=', String(through))
      .executeTakeFirst()
    await sql`select set_config('lakelet.audit_forget', '', true)`.execute(db)
    return { entries: Number(result.numDeletedRows), through, hash: last.hash.toString('hex') }
  },
})

function select(db: Kysely<Schema>, query: AuditQuery) {
  const { project, who, action, resource, result, from, to, before, after } = query
  let rows = db.selectFrom('audit').selectAll()
  if (project !== undefined) rows = rows.where('project_uid', '=', project)
  if (action !== undefined) rows = rows.where('action', '=', action)
  if (result !== undefined) rows = rows.where('result', '=', result)
  if (from !== undefined) rows = rows.where('time', '>=', toDate(from))
  if (to !== undefined) rows = rows.where('time', '<', toDate(to))
  if (before !== undefined) rows = rows.where('seq', '<', String(before))
  if (after !== undefined) rows = rows.where('seq', '>', String(after))
  if (resource !== undefined) {
    rows = rows.where((inner) =>
      inner.or([
        inner('resource', '=', resource),
        sql<boolean>`starts_with(resource, ${`${resource}/`})`,
      ]),
    )
  }
  if (who !== undefined) {
    rows = rows.where((inner) =>
      inner.or([
        sql<boolean>`lower(actor_name) = lower(${who})`,
        inner('actor_uid', '=', who),
        inner('agent', '=', who),
      ]),
    )
  }
  return rows
}

interface Chunk {
  readonly entries: string
  readonly first_seq: string | null
  readonly first_previous: Buffer | null
  readonly last_seq: string | null
  readonly last_hash: Buffer | null
  readonly changed: string | null
  readonly unlinked: string | null
}

async function verify(db: Kysely<Schema>): Promise<AuditVerification> {
  let entries = 0
  let firstSeq: number | undefined
  let before = await lastSwept(db)
  for (;;) {
    const { rows } = await sql<Chunk>`
      with chunk as materialized (
        select seq, previous, hash, audit_digest(a) = hash as is_whole from audit a
        where seq > ${entries === 0 ? 0 : before.seq} order by seq limit ${verifiedAtOnce}
      ), linked as (
        select *, lag(seq) over (order by seq) as seq_before, lag(hash) over (order by seq) as hash_before
        from chunk
      )
      select count(*) as entries,
        (array_agg(seq order by seq))[1] as first_seq,
        (array_agg(previous order by seq))[1] as first_previous,
        (array_agg(seq order by seq desc))[1] as last_seq,
        (array_agg(hash order by seq desc))[1] as last_hash,
        min(seq) filter (where not is_whole) as changed,
        min(seq) filter (where seq <> seq_before + 1 or previous <> hash_before) as unlinked
      from linked`.execute(db)
    const [chunk] = rows
    const seen = {
      entries,
      firstSeq,
      lastSeq: before.seq || undefined,
      lastHash: before.hash || undefined,
    }
    if (chunk === undefined || chunk.first_seq === null) return { ...seen, broken: undefined }
    firstSeq ??= Number(chunk.first_seq)
    entries += Number(chunk.entries)
    const follows =
      Number(chunk.first_seq) === before.seq + 1 &&
      chunk.first_previous?.toString('hex') === before.hash
    before = { seq: Number(chunk.last_seq), hash: chunk.last_hash?.toString('hex') ?? '' }
    const unlinked = follows ? chunk.unlinked : chunk.first_seq
    if (chunk.changed !== null || unlinked !== null) {
      return {
        entries,
        firstSeq,
        lastSeq: before.seq,
        lastHash: before.hash,
        broken: firstOf(chunk.changed, unlinked),
      }
    }
  }
}

/** The chain as a whole was made anew, or its end cut off: only what is kept elsewhere shows it. */
async function rewritten(
  db: Kysely<Schema>,
  { firstSeq }: AuditVerification,
  kept: { readonly seq: number; readonly hash: string },
): Promise<AuditVerification['broken']> {
  const row = await db
    .selectFrom('audit')
    .select('hash')
    .where('seq', '=', String(kept.seq))
    .executeTakeFirst()
  const isSwept = row === undefined && firstSeq !== undefined && kept.seq < firstSeq
  if (isSwept || row?.hash.toString('hex') === kept.hash) return undefined
  return { seq: kept.seq, problem: 'it is not the one that was kept' }
}

/** What the first entry that is left must follow: the last one that a sweep removed, or nothing. */
async function lastSwept(db: Kysely<Schema>): Promise<{ seq: number; hash: string }> {
  const row = await db
    .selectFrom('audit')
    .select('details')
    .where('action', '=', sweepAction)
    .where('actor_kind', '=', 'SYSTEM')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  const { through = 0, hash = '' } = row?.details ?? {}
  return { seq: Number(through), hash: String(hash) }
}

function firstOf(changed: string | null, unlinked: string | null) {
  const [at, gap] = [Number(changed ?? Infinity), Number(unlinked ?? Infinity)]
  return at < gap
    ? { seq: at, problem: 'it does not hold what was written' }
    : { seq: gap, problem: 'entries before it were removed or rewritten' }
}

/** Longer texts come from strangers; an entry must not be as long as they like. */
const clip = (text: string | undefined, length = 300): string | null =>
  text === undefined ? null : text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').slice(0, length)

const writeLine = (entry: AuditEntry): Insertable<AuditTable> => {
  const { actor, origin } = entry
  return {
    time: toDate(entry.time),
    action: clip(entry.action, 100) ?? '',
    resource: clip(entry.resource, 400) ?? '',
    resource_uid: clip(entry.resourceUid),
    project_uid: clip(entry.projectUid),
    actor_kind: actor.kind,
    actor_uid: clip(actor.uid),
    actor_name: clip(actor.name),
    agent: clip(actor.agent, 64),
    remote_address: clip(origin.remoteAddress, 64),
    user_agent: clip(origin.userAgent),
    request_id: clip(origin.requestId, 64),
    trace_id: clip(origin.traceId, 64),
    result: entry.result,
    reason: clip(entry.reason, 100),
    operation: clip(entry.operation, 600),
    changed: [...entry.changed],
    details: JSON.stringify(entry.details),
    count: entry.count,
    // The table overwrites these three.
    seq: '0',
    previous: Buffer.alloc(0),
    hash: Buffer.alloc(0),
  }
}

const present = <K extends string>(key: K, value: string | null) =>
  (value === null ? {} : { [key]: value }) as { readonly [P in K]?: string }

const readLine = (row: Selectable<AuditTable>): RecordedEntry => ({
  seq: Number(row.seq),
  time: toMoment(row.time),
  action: row.action,
  resource: row.resource,
  ...present('resourceUid', row.resource_uid),
  ...present('projectUid', row.project_uid),
  actor: {
    kind: row.actor_kind as RecordedEntry['actor']['kind'],
    ...present('uid', row.actor_uid),
    ...present('name', row.actor_name),
    ...present('agent', row.agent),
  },
  origin: {
    ...present('remoteAddress', row.remote_address),
    ...present('userAgent', row.user_agent),
    ...present('requestId', row.request_id),
    ...present('traceId', row.trace_id),
  },
  result: row.result as AuditResult,
  ...present('reason', row.reason),
  ...present('operation', row.operation),
  changed: row.changed,
  details: row.details,
  count: row.count,
})
