/** The last backup of a branch to each place. */
import { type Kysely, sql } from 'kysely'
import { formatLsn, parseLsn } from '../domain/lsn.ts'
import type { Backups } from '../ports/backups.ts'
import type { VolumeId } from '../ports/storage.ts'
import { toDate, toMoment } from './rows.ts'
import type { Schema } from './schema.ts'

export const backupsIn = (db: Kysely<Schema>): Backups => ({
  async last(branch, place) {
    const row = await db
      .selectFrom('backups')
      .selectAll()
      .where('branch_uid', '=', branch)
      .where('place', '=', place)
      .executeTakeFirst()
    const reached = row && parseLsn(row.reached)
    if (row === undefined || reached === undefined) return undefined
    const { sequence, hash } = row
    return { sequence, hash, reached, volume: row.volume as VolumeId, time: toMoment(row.time) }
  },
  async set(branch, place, { volume, sequence, hash, reached, time }) {
    const known = { volume, sequence, hash, reached: formatLsn(reached), time: toDate(time) }
    await db
      .insertInto('backups')
      .values({ branch_uid: branch, place, ...known })
      .onConflict((conflict) => conflict.columns(['branch_uid', 'place']).doUpdateSet(known))
      .execute()
  },
  async heldFrom(volume, since) {
    const { rows } = await sql<{ held: string | null }>`
      select min(reached)::text as held from backups
      where volume = ${volume} and time >= ${toDate(since)}`.execute(db)
    return parseLsn(rows[0]?.held ?? '')
  },
})
