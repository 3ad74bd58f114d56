/** Schedules of automatic snapshots: one row a branch that ever had one, with its next moment. */
import type { Kysely } from 'kysely'
import type { BranchUid, ProjectUid } from '../domain/names.ts'
import type { SnapshotSchedules } from '../ports/snapshots.ts'
import { maybeDate, maybeMoment, toDate } from './rows.ts'
import type { Schema } from './schema.ts'
import { notifyDue } from './snapshots.ts'

export const snapshotSchedulesIn = (db: Kysely<Schema>): SnapshotSchedules => ({
  async of(branch) {
    const row = await db
      .selectFrom('snapshot_schedules')
      .selectAll()
      .where('branch_uid', '=', branch)
      .executeTakeFirst()
    return (
      row && { branchUid: branch, cadences: row.cadences, nextTime: maybeMoment(row.next_time) }
    )
  },
  async set({ branchUid, cadences, nextTime }) {
    const values = { cadences: JSON.stringify(cadences), next_time: maybeDate(nextTime) }
    await db
      .insertInto('snapshot_schedules')
      .values({ branch_uid: branchUid, ...values })
      .onConflict((conflict) => conflict.column('branch_uid').doUpdateSet(values))
      .execute()
    await notifyDue(db)
  },
  async due(now) {
    const rows = await db
      .selectFrom('snapshot_schedules as s')
      .innerJoin('branches as b', 'b.uid', 's.branch_uid')
      .innerJoin('projects as p', 'p.uid', 'b.project_uid')
      .select(['b.uid', 'b.project_uid'])
      .where('s.next_time', '<=', toDate(now))
      .where('b.delete_time', 'is', null)
      .where('p.delete_time', 'is', null)
      .orderBy('s.next_time')
      .limit(200)
      .execute()
    return rows.map((row) => ({
      uid: row.uid as BranchUid,
      projectUid: row.project_uid as ProjectUid,
    }))
  },
})
