/** Web addresses of a project that are told of events, and the events that they have not got yet. */
import { type Kysely, type Selectable, sql } from 'kysely'
import type { BranchUid, IdentityUid, ProjectUid } from '../domain/names.ts'
import type { Webhook } from '../domain/webhook.ts'
import type { EndWarnings, Webhooks } from '../ports/webhooks.ts'
import { maybeDate, maybeMoment, toDate, toMoment } from './rows.ts'
import type { Schema, WebhooksTable } from './schema.ts'

export const endWarningsIn = (db: Kysely<Schema>): EndWarnings => ({
  async ending(from, to) {
    const rows = await db
      .selectFrom('branches as b')
      .innerJoin('projects as p', 'p.uid', 'b.project_uid')
      .leftJoin('end_warnings as w', 'w.branch_uid', 'b.uid')
      .select(['b.uid', 'b.project_uid', 'b.create_time', 'b.expire_time', 'w.warned_end'])
      .where('b.delete_time', 'is', null)
      .where('p.delete_time', 'is', null)
      .where('b.expire_time', '>', toDate(from))
      .where('b.expire_time', '<=', toDate(to))
      .orderBy('b.expire_time')
      .execute()
    return rows.map((row) => ({
      uid: row.uid as BranchUid,
      projectUid: row.project_uid as ProjectUid,
      createTime: toMoment(row.create_time),
      expireTime: maybeMoment(row.expire_time),
      warnedEnd: maybeMoment(row.warned_end),
    }))
  },
  async of(branch) {
    const row = await db
      .selectFrom('end_warnings')
      .select('warned_end')
      .where('branch_uid', '=', branch)
      .executeTakeFirst()
    return row && toMoment(row.warned_end)
  },
  async set(branch, end) {
    const values = { warned_end: toDate(end) }
    await db
      .insertInto('end_warnings')
      .values({ branch_uid: branch, ...values })
      .onConflict((conflict) => conflict.column('branch_uid').doUpdateSet(values))
      .execute()
  },
})

export const webhooksIn = (db: Kysely<Schema>): Webhooks => ({
  async insert(webhook) {
    await db
      .insertInto('webhooks')
      .values({
        uid: webhook.uid,
        project_uid: webhook.projectUid,
        url: webhook.url,
        sealed_secret: webhook.sealedSecret,
        created_by: webhook.createdBy,
        create_time: toDate(webhook.createTime),
        last_time: maybeDate(webhook.lastTime),
        last_problem: webhook.lastProblem ?? null,
        lost: webhook.lost,
      })
      .execute()
  },
  async list(project) {
    const rows = await db
      .selectFrom('webhooks')
      .selectAll()
      .where('project_uid', '=', project)
      .orderBy('uid')
      .execute()
    return rows.map(read)
  },
  async byUid(uid) {
    const row = await db
      .selectFrom('webhooks')
      .selectAll()
      .where('uid', '=', uid)
      .executeTakeFirst()
    return row && read(row)
  },
  async remove(project, uid) {
    const { numDeletedRows } = await db
      .deleteFrom('webhooks')
      .where('project_uid', '=', project)
      .where('uid', '=', uid)
      .executeTakeFirst()
    return numDeletedRows > 0n
  },
  async addDelivery({ uid, webhookUid, body, attempts, nextTime }) {
    await db
      .insertInto('deliveries')
      .values({ uid, webhook_uid: webhookUid, body, attempts, next_time: toDate(nextTime) })
      .execute()
  },
  async due(now, limit) {
    const rows = await db
      .selectFrom('deliveries')
      .selectAll()
      .where('next_time', '<=', toDate(now))
      .orderBy('next_time')
      .limit(limit)
      .execute()
    return rows.map((row) => ({
      uid: row.uid,
      webhookUid: row.webhook_uid,
      body: row.body,
      attempts: row.attempts,
      nextTime: toMoment(row.next_time),
    }))
  },
  async nextDue() {
    const row = await db
      .selectFrom('deliveries')
      .select((inner) => inner.fn.min('next_time').as('due'))
      .executeTakeFirst()
    return maybeMoment(row?.due ?? null)
  },
  async setTried({ uid, webhookUid, attempts }, { time, problem, next }) {
    await (next === undefined
      ? db.deleteFrom('deliveries').where('uid', '=', uid).execute()
      : db
          .updateTable('deliveries')
          .set({ attempts: attempts + 1, next_time: toDate(next) })
          .where('uid', '=', uid)
          .execute())
    const isLost = next === undefined && problem !== undefined
    await db
      .updateTable('webhooks')
      .set({
        last_time: toDate(time),
        last_problem: problem ?? null,
        ...(isLost ? { lost: sql<number>`lost + 1` } : {}),
      })
      .where('uid', '=', webhookUid)
      .execute()
  },
})

const read = (row: Selectable<WebhooksTable>): Webhook => ({
  uid: row.uid,
  projectUid: row.project_uid as ProjectUid,
  url: row.url,
  sealedSecret: row.sealed_secret,
  createdBy: row.created_by as IdentityUid,
  createTime: toMoment(row.create_time),
  lastTime: maybeMoment(row.last_time),
  lastProblem: row.last_problem ?? undefined,
  lost: row.lost,
})
