/** Bases of branches. */
import { type Kysely, type Selectable, sql } from 'kysely'
import type { Base, BaseState, ReadyBase } from '../domain/base.ts'
import { formatLsn, parseLsn } from '../domain/lsn.ts'
import type { BaseUid, BranchUid, ProjectUid, VolumeUid } from '../domain/names.ts'
import type { Bases } from '../ports/bases.ts'
import { maybeMicros, toDate, toMoment } from './rows.ts'
import type { BasesTable, Schema } from './schema.ts'

export const basesIn = (db: Kysely<Schema>): Bases => ({
  async insert({ uid, projectUid, branchUid, volumeUid, createTime }) {
    await db
      .insertInto('bases')
      .values({
        uid,
        project_uid: projectUid,
        branch_uid: branchUid,
        volume_uid: volumeUid,
        state: 'TAKING',
        create_time: toDate(createTime),
      })
      .execute()
  },
  async ready({ uid, redo, consistent, time }) {
    await db
      .updateTable('bases')
      .set({
        state: 'READY',
        redo_lsn: formatLsn(redo),
        consistent_lsn: formatLsn(consistent),
        consistent_time_us: time,
      })
      .where('uid', '=', uid)
      .execute()
  },
  async retire(uid) {
    await db.updateTable('bases').set({ state: 'DELETING' }).where('uid', '=', uid).execute()
  },
  async recordBytes(uid, exclusiveBytes) {
    const bytes = exclusiveBytes ?? null
    await db.updateTable('bases').set({ exclusive_bytes: bytes }).where('uid', '=', uid).execute()
  },
  async remove(uid) {
    await db.deleteFrom('bases').where('uid', '=', uid).execute()
  },
  async readyOf(branch) {
    const rows = await db
      .selectFrom('bases')
      .selectAll()
      .where('branch_uid', '=', branch)
      .where('state', '=', 'READY')
      .orderBy('consistent_lsn')
      .execute()
    return rows.map(readReady)
  },
  async allOf(branch) {
    const rows = await db.selectFrom('bases').selectAll().where('branch_uid', '=', branch).execute()
    return rows.map(readBase)
  },
  async unsettled() {
    const rows = await db.selectFrom('bases').selectAll().where('state', '<>', 'READY').execute()
    return rows.map(readBase)
  },
  async everyUid() {
    const rows = await db.selectFrom('bases').select(['uid', 'project_uid']).execute()
    return rows.map((row) => ({
      uid: row.uid as BaseUid,
      projectUid: row.project_uid as ProjectUid,
    }))
  },
  async totals() {
    const row = await db
      .selectFrom('bases')
      .select([
        sql<string>`count(*)`.as('count'),
        sql<string>`coalesce(sum(exclusive_bytes), 0)`.as('bytes'),
      ])
      .where('state', '=', 'READY')
      .executeTakeFirstOrThrow()
    return { count: Number(row.count), bytes: Number(row.bytes) }
  },
})

const readBase = (row: Selectable<BasesTable>): Base => ({
  uid: row.uid as BaseUid,
  projectUid: row.project_uid as ProjectUid,
  branchUid: row.branch_uid as BranchUid,
  volumeUid: row.volume_uid as VolumeUid,
  state: row.state as BaseState,
  createTime: toMoment(row.create_time),
})

function readReady(row: Selectable<BasesTable>): ReadyBase {
  const redo = parseLsn(row.redo_lsn ?? '')
  const consistent = parseLsn(row.consistent_lsn ?? '')
  const time = maybeMicros(row.consistent_time_us)
  if (redo === undefined || consistent === undefined || time === undefined) {
    throw new Error(`base ${row.uid} is ready, but its row does not say where`)
  }
  return { ...readBase(row), redo, consistent, time }
}
