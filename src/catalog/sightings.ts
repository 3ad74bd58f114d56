/** Since when something is seen that no row knows. */
import { type Kysely, sql } from 'kysely'
import type { Sightings } from '../ports/catalog.ts'
import { toDate, toMoment } from './rows.ts'
import type { Schema } from './schema.ts'

export const sightingsIn = (db: Kysely<Schema>): Sightings => ({
  async replace(seen, now) {
    const kinds = seen.map(({ kind }) => kind)
    const ids = seen.map(({ id }) => id)
    await sql`
      with seen as (select * from unnest(${kinds}::text[], ${ids}::text[]) as s (kind, id)),
      forgotten as (
        delete from sightings where not exists (
          select from seen where seen.kind = sightings.kind and seen.id = sightings.id)
      )
      insert into sightings (kind, id, first_time)
      select distinct kind, id, ${toDate(now)}::timestamptz from seen
      on conflict (kind, id) do nothing`.execute(db)
  },
  async list() {
    const rows = await db.selectFrom('sightings').selectAll().execute()
    return rows.map(({ kind, id, first_time }) => ({ kind, id, firstTime: toMoment(first_time) }))
  },
})
