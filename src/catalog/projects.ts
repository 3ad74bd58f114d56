/** Projects and who may use them. */
import { type Insertable, type Kysely, sql } from 'kysely'
import { highest, type PermissionLevel } from '../domain/identity.ts'
import type { IdentityUid } from '../domain/names.ts'
import type { Permissions, Projects } from '../ports/catalog.ts'
import { readPrincipal, readProject, toDate, writeProject } from './rows.ts'
import type { ProjectsTable, Schema } from './schema.ts'

export const projectsIn = (db: Kysely<Schema>): Projects => ({
  async insert(project) {
    const row = writeProject(project) as Insertable<ProjectsTable>
    await db.insertInto('projects').values(row).execute()
  },
  async lock(uid) {
    const row = await db
      .selectFrom('projects')
      .selectAll()
      .where('uid', '=', uid)
      .forUpdate()
      .executeTakeFirst()
    return row && readProject(row)
  },
  async byId(id) {
    const row = await db
      .selectFrom('projects')
      .selectAll()
      .where('project_id', '=', id)
      .executeTakeFirst()
    return row && readProject(row)
  },
  async byUid(uid) {
    const row = await db
      .selectFrom('projects')
      .selectAll()
      .where('uid', '=', uid)
      .executeTakeFirst()
    return row && readProject(row)
  },
  async list({ after, limit, visibleTo, showDeleted }) {
    let query = db.selectFrom('projects').selectAll().orderBy('project_id').limit(limit)
    if (after !== undefined) query = query.where('project_id', '>', after)
    query = showDeleted
      ? // What is being purged has no purge time any more: it is gone for everybody but us.
        query.where(sql<boolean>`(delete_time is null or purge_time is not null)`)
      : query.where('delete_time', 'is', null)
    if (visibleTo !== undefined) {
      query = query.where('uid', 'in', (inner) =>
        inner
          .selectFrom('permissions')
          .select('project_uid')
          .where('identity_uid', 'in', principalsOf(visibleTo)),
      )
    }
    return (await query.execute()).map(readProject)
  },
  async update(uid, changes) {
    await db.updateTable('projects').set(writeProject(changes)).where('uid', '=', uid).execute()
  },
  async remove(uid) {
    await db.deleteFrom('branches').where('project_uid', '=', uid).execute()
    await db.deleteFrom('projects').where('uid', '=', uid).execute()
  },
  async count() {
    const row = await db
      .selectFrom('projects')
      .select((inner) => inner.fn.countAll<string>().as('count'))
      .executeTakeFirstOrThrow()
    return Number(row.count)
  },
  async duePurge(now) {
    const rows = await db
      .selectFrom('projects')
      .selectAll()
      .where('purge_time', '<=', toDate(now))
      .execute()
    return rows.map(readProject)
  },
})

export const permissionsIn = (db: Kysely<Schema>): Permissions => ({
  async levelOf(project, principal) {
    const rows = await db
      .selectFrom('permissions')
      .select('level')
      .where('project_uid', '=', project)
      .where('identity_uid', 'in', principalsOf(principal))
      .execute()
    return highest(rows.map(({ level }) => level as PermissionLevel))
  },
  async list(project) {
    const rows = await db
      .selectFrom('permissions')
      .innerJoin('identities', 'identities.uid', 'permissions.identity_uid')
      .selectAll('identities')
      .select('permissions.level')
      .where('project_uid', '=', project)
      .orderBy('login_name')
      .execute()
    return rows.map((row) => ({
      principal: readPrincipal(row),
      level: row.level as PermissionLevel,
    }))
  },
  async set(project, identity, level) {
    await db
      .insertInto('permissions')
      .values({ project_uid: project, identity_uid: identity, level })
      .onConflict((conflict) =>
        conflict.columns(['project_uid', 'identity_uid']).doUpdateSet({ level }),
      )
      .execute()
  },
  async removeAll(project) {
    await db.deleteFrom('permissions').where('project_uid', '=', project).execute()
  },
})

/** The function that 0002-identity made: the principal itself and every group that holds it. */
const principalsOf = (uid: IdentityUid) => sql<string>`(select principals_of(${uid}))`
