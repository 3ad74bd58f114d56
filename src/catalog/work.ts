/**
 * The operations table: what clients poll and what workers claim is one row. A claim takes rows with
 * `for update skip locked` and raises their fencing token; each later write names that token. A row
 * that has ended never changes again.
 */
import { type Kysely, type Selectable, sql } from 'kysely'
import type { IdentityUid, OperationUid, ProjectUid } from '../domain/names.ts'
import type { Operation, OperationOutcome, OperationSubject } from '../domain/operation.ts'
import type { NewWork, Work, WorkRow, WorkState } from '../ports/catalog.ts'
import { maybeMoment, toDate, toMoment } from './rows.ts'
import type { OperationsTable, Schema } from './schema.ts'

const open = ['pending', 'running', 'undoing'] as const

export const workIn = (db: Kysely<Schema>): Work => ({
  async insert(work) {
    await db
      .insertInto('operations')
      .values({ ...newRow(work), state: 'pending' })
      .execute()
    await sql`select pg_notify('lakelet', 'work')`.execute(db)
  },
  async insertDone(work, response) {
    await db
      .insertInto('operations')
      .values({
        ...newRow(work),
        state: 'succeeded',
        response: JSON.stringify(response),
        end_time: toDate(work.createTime),
      })
      .execute()
  },
  async byUid(uid) {
    const row = await db
      .selectFrom('operations')
      .selectAll()
      .where('uid', '=', uid)
      .executeTakeFirst()
    if (row === undefined) return undefined
    const { kind, projectUid, callerUid } = readWork(row)
    return { ...readOperation(row), kind, projectUid, callerUid }
  },
  async cancel(uid, now) {
    const result = await db
      .updateTable('operations')
      .set({ cancel_time: sql<Date>`coalesce(cancel_time, ${toDate(now)})` })
      .where('uid', '=', uid)
      .where('state', 'in', open)
      .executeTakeFirst()
    await sql`select pg_notify('lakelet', ${`cancel ${uid}`})`.execute(db)
    return result.numUpdatedRows === 1n
  },
  async claim(now, { until, latest, limit }) {
    // Materialized: a join could run the subquery more than once, and claim more than the limit.
    const { rows } = await sql<Selectable<OperationsTable>>`
      with due as materialized (
        select uid from operations c
        where state in ('pending', 'running', 'undoing')
          and (next_at <= ${toDate(now)} or next_at > ${toDate(latest)})
          and (lease_until is null or lease_until < ${toDate(now)})
          and not exists (
            select 1 from operations e
            where e.state in ('pending', 'running', 'undoing') and e.seq < c.seq and e.keys && c.keys
          )
        order by seq
        limit ${limit}
        for update skip locked
      )
      update operations o
      set lease_token = o.lease_token + 1,
          lease_until = ${toDate(until)},
          attempt = o.attempt + 1,
          state = case o.state when 'pending' then 'running' else o.state end
      from due where o.uid = due.uid
      returning o.*`.execute(db)
    return rows.map((row) => ({ row: readWork(row), token: row.lease_token }))
  },
  async nextDue(now) {
    const row = await db
      .selectFrom('operations')
      .select((inner) => inner.fn.min('next_at').as('due'))
      .where('state', 'in', open)
      .where('lease_until', 'is', null)
      .where('next_at', '>', toDate(now))
      .executeTakeFirst()
    const due = row?.due ?? null
    return due === null ? undefined : toMoment(due)
  },
  async renew(lease, until) {
    const result = await db
      .updateTable('operations')
      .set({ lease_until: toDate(until) })
      .where('uid', '=', lease.row.uid)
      .where('lease_token', '=', lease.token)
      .where('state', 'in', open)
      .executeTakeFirst()
    return result.numUpdatedRows === 1n
  },
  async save(lease, changes) {
    const { state, step, memory, report, attempt, response, fault, releaseUntil } = changes
    const isOver = state === 'succeeded' || state === 'failed'
    const result = await db
      .updateTable('operations')
      .set({
        ...(state === undefined ? {} : { state }),
        ...('step' in changes ? { step: step ?? null } : {}),
        ...(memory === undefined ? {} : { memory: JSON.stringify(memory) }),
        ...(report === undefined ? {} : { report: JSON.stringify(report) }),
        ...(attempt === undefined ? {} : { attempt }),
        ...(response === undefined ? {} : { response: JSON.stringify(response) }),
        ...(fault === undefined ? {} : { fault: JSON.stringify(fault) }),
        ...(releaseUntil === undefined ? {} : { next_at: toDate(releaseUntil), lease_until: null }),
        ...(isOver ? { end_time: sql<Date>`now()`, lease_until: null } : {}),
      })
      .where('uid', '=', lease.row.uid)
      .where('lease_token', '=', lease.token)
      .where('state', 'in', open)
      .executeTakeFirst()
    const isHeld = result.numUpdatedRows === 1n
    if (isHeld && isOver)
      await sql`select pg_notify('lakelet', ${`done ${lease.row.uid}`})`.execute(db)
    if (isHeld && releaseUntil !== undefined)
      await sql`select pg_notify('lakelet', 'work')`.execute(db)
    return isHeld
  },
  async releaseAll(except = []) {
    let release = db
      .updateTable('operations')
      .set({ lease_until: null })
      .where('state', 'in', open)
      .where('lease_until', 'is not', null)
    if (except.length > 0) release = release.where('uid', 'not in', [...except])
    const result = await release.executeTakeFirst()
    return Number(result.numUpdatedRows)
  },
  async forget(before) {
    const result = await db
      .deleteFrom('operations')
      .where('end_time', '<', toDate(before))
      .executeTakeFirst()
    return Number(result.numDeletedRows)
  },
  async unfinished(key) {
    const { rows } = await sql<Pick<WorkRow, 'uid' | 'kind' | 'input'>>`
      select uid, kind, input from operations
      where state in ('pending', 'running', 'undoing') and keys && array[${key}]
      order by seq`.execute(db)
    return rows
  },
  async isNamed(uid) {
    const { rows } = await sql`
      select 1 from operations
      where state in ('pending', 'running', 'undoing') and (
        position(uid in ${uid}) > 0 or keys && array[${uid}]
        or position(${uid} in input::text) > 0 or position(${uid} in memory::text) > 0)
      limit 1`.execute(db)
    return rows.length > 0
  },
  async isBusy(key) {
    const { rows } = await sql`
      select 1 from operations
      where state in ('pending', 'running', 'undoing') and keys && array[${key}] limit 1`.execute(
      db,
    )
    return rows.length > 0
  },
})

const newRow = (work: NewWork) => ({
  uid: work.uid,
  kind: work.kind,
  resource: work.resource,
  subject: work.subject,
  project_uid: work.projectUid,
  caller_uid: work.callerUid ?? null,
  keys: [...work.keys],
  input: JSON.stringify(work.input),
  memory: '{}',
  attempt: 0,
  lease_token: 0,
  next_at: new Date(0), // due at once, also when the clock is set back
  create_time: toDate(work.createTime),
})

const readWork = (row: Selectable<OperationsTable>): WorkRow => ({
  uid: row.uid as OperationUid,
  kind: row.kind,
  resource: row.resource,
  subject: row.subject as OperationSubject,
  projectUid: row.project_uid as ProjectUid,
  callerUid: (row.caller_uid ?? undefined) as IdentityUid | undefined,
  keys: row.keys,
  input: row.input,
  memory: row.memory,
  report: row.report ?? undefined,
  cancelTime: maybeMoment(row.cancel_time),
  state: row.state as WorkState,
  step: row.step ?? undefined,
  attempt: row.attempt,
  response: row.response ?? undefined,
  fault: row.fault ?? undefined,
  createTime: toMoment(row.create_time),
})

function readOperation(row: Selectable<OperationsTable>): Operation {
  const { uid, resource, subject, report, state, response, fault } = readWork(row)
  const outcome: OperationOutcome =
    state === 'succeeded' && response !== undefined
      ? { kind: 'succeeded', response }
      : state === 'failed' && fault !== undefined
        ? { kind: 'failed', fault }
        : { kind: 'pending' }
  return { uid, resource, subject, report, outcome }
}
