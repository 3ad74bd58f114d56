/** Snapshots, and the schedules of branches that take them. */
import { type Insertable, type Kysely, type Selectable, sql, type Updateable } from 'kysely'
import type {
  BranchId,
  BranchUid,
  IdentityUid,
  ProjectUid,
  SnapshotId,
  SnapshotUid,
  VolumeUid,
} from '../domain/names.ts'
import type { Snapshot, SnapshotState } from '../domain/snapshot.ts'
import type { Snapshots } from '../ports/snapshots.ts'
import { mapPresent, maybeDate, maybeMoment, toDate, toMoment } from './rows.ts'
import type { Schema, SnapshotsTable } from './schema.ts'

export const snapshotsIn = (db: Kysely<Schema>): Snapshots => ({
  async insert(snapshot) {
    const row = writeSnapshot(snapshot) as Insertable<SnapshotsTable>
    await db.insertInto('snapshots').values(row).execute()
    if (snapshot.expireTime !== undefined) await notifyDue(db)
  },
  async byId(project, id) {
    const row = await db
      .selectFrom('snapshots')
      .selectAll()
      .where('project_uid', '=', project)
      .where('snapshot_id', '=', id)
      .where('state', '<>', 'DELETING')
      .executeTakeFirst()
    return row && readSnapshot(row)
  },
  async byUid(uid) {
    const row = await db
      .selectFrom('snapshots')
      .selectAll()
      .where('uid', '=', uid)
      .executeTakeFirst()
    return row && readSnapshot(row)
  },
  async list(project, { after, limit }) {
    let query = db
      .selectFrom('snapshots')
      .selectAll()
      .where('project_uid', '=', project)
      .where('state', '=', 'AVAILABLE')
      .orderBy('snapshot_id')
      .limit(limit)
    if (after !== undefined) query = query.where('snapshot_id', '>', after)
    return (await query.execute()).map(readSnapshot)
  },
  async all(project) {
    const rows = await db
      .selectFrom('snapshots')
      .selectAll()
      .where('project_uid', '=', project)
      .execute()
    return rows.map(readSnapshot)
  },
  async countManual(project) {
    const row = await db
      .selectFrom('snapshots')
      .select((inner) => inner.fn.countAll<string>().as('count'))
      .where('project_uid', '=', project)
      .where('is_automatic', '=', false)
      .where('state', '<>', 'DELETING')
      .executeTakeFirstOrThrow()
    return Number(row.count)
  },
  async update(uid, changes) {
    await db.updateTable('snapshots').set(writeSnapshot(changes)).where('uid', '=', uid).execute()
  },
  async remove(uid) {
    await db.deleteFrom('snapshots').where('uid', '=', uid).execute()
  },
  async dueExpiry(now) {
    const rows = await db
      .selectFrom('snapshots')
      .selectAll()
      .where('state', '<>', 'DELETING')
      .where('expire_time', '<=', toDate(now))
      .orderBy('expire_time')
      .limit(200)
      .execute()
    return rows.map(readSnapshot)
  },
  async nextDue() {
    const { rows } = await sql<{ due: Date | null }>`
      select least(
        (select min(expire_time) from snapshots where state <> 'DELETING'),
        (select min(s.next_time) from snapshot_schedules s
          join branches b on b.uid = s.branch_uid join projects p on p.uid = b.project_uid
          where b.delete_time is null and p.delete_time is null)
      ) as due`.execute(db)
    return maybeMoment(rows[0]?.due ?? null)
  },
  async toMeasure(before, limit) {
    const rows = await db
      .selectFrom('snapshots')
      .selectAll()
      .where('state', '=', 'AVAILABLE')
      .where('measure_time', '<', toDate(before))
      .orderBy('measure_time')
      .limit(limit)
      .execute()
    return rows.map(readSnapshot)
  },
  async recordBytes(uid, { diffSizeBytes, measureTime }) {
    await db
      .updateTable('snapshots')
      .set({ diff_size_bytes: diffSizeBytes ?? null, measure_time: toDate(measureTime) })
      .where('uid', '=', uid)
      .execute()
  },
  async every() {
    return (await db.selectFrom('snapshots').selectAll().execute()).map(readSnapshot)
  },
  async branchesInTheMaking(uid) {
    const rows = await db
      .selectFrom('branches')
      .select('uid')
      .where('source_snapshot_uid', '=', uid)
      .where('delete_time', 'is', null)
      .where('state', '=', 'INIT')
      .execute()
    return rows.map((row) => row.uid as BranchUid)
  },
})

const readSnapshot = (row: Selectable<SnapshotsTable>): Snapshot => ({
  uid: row.uid as SnapshotUid,
  projectUid: row.project_uid as ProjectUid,
  volumeUid: row.volume_uid as VolumeUid,
  snapshotId: row.snapshot_id as SnapshotId,
  state: row.state as SnapshotState,
  isAutomatic: row.is_automatic,
  sourceBranchUid: row.source_branch_uid as BranchUid,
  sourceBranchId: row.source_branch_id as BranchId,
  isOfProtected: row.is_of_protected,
  sourceTime: maybeMoment(row.source_time),
  expireTime: maybeMoment(row.expire_time),
  fullSizeBytes: maybeNumber(row.full_size_bytes),
  diffSizeBytes: maybeNumber(row.diff_size_bytes),
  createdBy: (row.created_by ?? undefined) as IdentityUid | undefined,
  createTime: toMoment(row.create_time),
})

const writeSnapshot = (snapshot: Partial<Snapshot>): Updateable<SnapshotsTable> =>
  mapPresent(snapshot, {
    uid: (v) => ({ uid: v }),
    projectUid: (v) => ({ project_uid: v }),
    volumeUid: (v) => ({ volume_uid: v }),
    snapshotId: (v) => ({ snapshot_id: v }),
    state: (v) => ({ state: v }),
    isAutomatic: (v) => ({ is_automatic: v }),
    sourceBranchUid: (v) => ({ source_branch_uid: v }),
    sourceBranchId: (v) => ({ source_branch_id: v }),
    isOfProtected: (v) => ({ is_of_protected: v }),
    sourceTime: (v) => ({ source_time: maybeDate(v) }),
    expireTime: (v) => ({ expire_time: maybeDate(v) }),
    fullSizeBytes: (v) => ({ full_size_bytes: v ?? null }),
    diffSizeBytes: (v) => ({ diff_size_bytes: v ?? null }),
    createdBy: (v) => ({ created_by: v ?? null }),
    createTime: (v) => ({ create_time: toDate(v) }),
  })

const maybeNumber = (value: string | null): number | undefined =>
  value === null ? undefined : Number(value)

/** Wakes the loop that meets deadlines. */
export const notifyDue = (db: Kysely<Schema>) => sql`select pg_notify('lakelet', 'due')`.execute(db)
