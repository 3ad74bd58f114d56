/** Branches: live ones by id, deleted ones until their purge. */
import { type Insertable, type Kysely, sql } from 'kysely'
import type { Branches } from '../ports/catalog.ts'
import { readBranch, toDate, toMoment, writeBranch } from './rows.ts'
import type { BranchesTable, Schema } from './schema.ts'

export const branchesIn = (db: Kysely<Schema>): Branches => ({
  async insert(branch) {
    const row = writeBranch(branch) as Insertable<BranchesTable>
    await db.insertInto('branches').values(row).execute()
    if (branch.expireTime !== undefined) await notifyDue(db)
  },
  async byId(project, id) {
    const row = await db
      .selectFrom('branches')
      .selectAll()
      .where('project_uid', '=', project)
      .where('branch_id', '=', id)
      .where('delete_time', 'is', null)
      .executeTakeFirst()
    return row && readBranch(row)
  },
  async byUid(uid) {
    const row = await db
      .selectFrom('branches')
      .selectAll()
      .where('uid', '=', uid)
      .executeTakeFirst()
    return row && readBranch(row)
  },
  async lastDeleted(project, id) {
    const row = await db
      .selectFrom('branches')
      .selectAll()
      .where('project_uid', '=', project)
      .where('branch_id', '=', id)
      .where('delete_time', 'is not', null)
      .where('purge_time', 'is not', null)
      .orderBy('delete_time', 'desc')
      .executeTakeFirst()
    return row && readBranch(row)
  },
  async list(project, { after, limit, showDeleted }) {
    let query = db
      .selectFrom('branches')
      .selectAll()
      .where('project_uid', '=', project)
      .orderBy('branch_id')
      .orderBy('uid')
      .limit(limit)
    query = showDeleted
      ? // What is being purged has no purge time any more: it is gone for everybody but us.
        query.where(sql<boolean>`(delete_time is null or purge_time is not null)`)
      : query.where('delete_time', 'is', null)
    if (after !== undefined) {
      const [id = '', uid = ''] = after.split('/')
      query = query.where(sql<boolean>`(branch_id, uid) > (${id}, ${uid})`)
    }
    return (await query.execute()).map(readBranch)
  },
  async all(project) {
    const rows = await db
      .selectFrom('branches')
      .selectAll()
      .where('project_uid', '=', project)
      .execute()
    return rows.map(readBranch)
  },
  async children(of) {
    const rows = await db
      .selectFrom('branches')
      .selectAll()
      .where('source_branch_uid', '=', of)
      .where('delete_time', 'is', null)
      .orderBy('branch_id')
      .execute()
    return rows.map(readBranch)
  },
  async countLive(project) {
    const row = await db
      .selectFrom('branches')
      .select((inner) => inner.fn.countAll<string>().as('count'))
      .where('project_uid', '=', project)
      .where('delete_time', 'is', null)
      .executeTakeFirstOrThrow()
    return Number(row.count)
  },
  async countRoots(project) {
    const row = await db
      .selectFrom('branches')
      .select((inner) => inner.fn.countAll<string>().as('count'))
      .where('project_uid', '=', project)
      .where('source_branch_uid', 'is', null)
      .where('delete_time', 'is', null)
      .executeTakeFirstOrThrow()
    return Number(row.count)
  },
  async protectedOf(project) {
    const rows = await db
      .selectFrom('branches')
      .selectAll()
      .where('project_uid', '=', project)
      .where('is_protected', '=', true)
      .where('delete_time', 'is', null)
      .orderBy('branch_id')
      .execute()
    return rows.map(readBranch)
  },
  async update(uid, changes) {
    await db.updateTable('branches').set(writeBranch(changes)).where('uid', '=', uid).execute()
    if ('expireTime' in changes || 'purgeTime' in changes) await notifyDue(db)
  },
  async remove(uid) {
    await db.deleteFrom('branches').where('uid', '=', uid).execute()
  },
  async dueExpiry(now) {
    const rows = await db
      .selectFrom('branches')
      .selectAll()
      .where('delete_time', 'is', null)
      .where('expire_time', '<=', toDate(now))
      .orderBy('expire_time')
      .limit(200)
      .execute()
    return rows.map(readBranch)
  },
  async leased() {
    const rows = await db
      .selectFrom('branches')
      .selectAll()
      .where('delete_time', 'is', null)
      .where('expire_time', 'is not', null)
      .where(sql<boolean>`(sliding_ttl_ms is not null or is_held_by_sessions)`)
      .orderBy('expire_time')
      .execute()
    return rows.map(readBranch)
  },
  async duePurge(now) {
    const rows = await db
      .selectFrom('branches')
      .innerJoin('projects', 'projects.uid', 'branches.project_uid')
      .selectAll('branches')
      .where('branches.purge_time', '<=', toDate(now))
      .where('projects.delete_time', 'is', null)
      .limit(200)
      .execute()
    return rows.map(readBranch)
  },
  async nextDue() {
    const { rows } = await sql<{ due: Date | null }>`
      select least(
        (select min(expire_time) from branches where delete_time is null),
        (select min(b.purge_time) from branches b join projects p on p.uid = b.project_uid
          where p.delete_time is null),
        (select min(purge_time) from projects)
      ) as due`.execute(db)
    const due = rows[0]?.due ?? null
    return due === null ? undefined : toMoment(due)
  },
  async every() {
    return (await db.selectFrom('branches').selectAll().execute()).map(readBranch)
  },
})

const notifyDue = (db: Kysely<Schema>) => sql`select pg_notify('lakelet', 'due')`.execute(db)
