/** How long branches may live: the rules of a project, in their order, in one row. */
import type { Kysely } from 'kysely'
import type { TtlPolicies } from '../ports/ttl-policies.ts'
import type { Schema } from './schema.ts'

export const ttlPoliciesIn = (db: Kysely<Schema>): TtlPolicies => ({
  async of(project) {
    const row = await db
      .selectFrom('ttl_policies')
      .select('rules')
      .where('project_uid', '=', project)
      .executeTakeFirst()
    // JSON leaves out what is absent.
    return (row?.rules ?? []).map(({ match, default: usual, maximum, who }) => ({
      match,
      default: usual,
      maximum,
      who,
    }))
  },
  async set(project, rules) {
    const values = { rules: JSON.stringify(rules) }
    await db
      .insertInto('ttl_policies')
      .values({ project_uid: project, ...values })
      .onConflict((conflict) => conflict.column('project_uid').doUpdateSet(values))
      .execute()
  },
})
