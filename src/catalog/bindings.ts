/** What branches are bound to: one row a branch, machine and directory of git's. */
import { type Kysely, type Selectable, sql } from 'kysely'
import type { Binding, Gone } from '../domain/binding.ts'
import type { BindingUid, BranchId, BranchUid, IdentityUid, ProjectUid } from '../domain/names.ts'
import type { BindingOfBranch, Bindings } from '../ports/bindings.ts'
import { maybeDate, toDate, toMoment } from './rows.ts'
import type { BindingsTable, Schema } from './schema.ts'

export const bindingsIn = (db: Kysely<Schema>): Bindings => {
  const ofLive = () =>
    db
      .selectFrom('bindings')
      .innerJoin('branches as b', 'b.uid', 'bindings.branch_uid')
      .selectAll('bindings')
      .select(['b.project_uid', 'b.branch_id'])
      .where('b.delete_time', 'is', null)
  return {
    async save(binding) {
      const row = write(binding)
      const saved = await db
        .insertInto('bindings')
        .values(row)
        .onConflict((conflict) =>
          conflict.constraint('bindings_place').doUpdateSet({
            ...row,
            uid: sql`bindings.uid`,
            create_time: sql`bindings.create_time`,
            is_own: sql`bindings.is_own or excluded.is_own`,
            process: sql`coalesce(excluded.process, bindings.process)`,
          }),
        )
        .returningAll()
        .executeTakeFirstOrThrow()
      return read(saved)
    },
    async ofBranch(branch) {
      const rows = await db
        .selectFrom('bindings')
        .selectAll()
        .where('branch_uid', '=', branch)
        .orderBy('uid')
        .execute()
      return rows.map(read)
    },
    async list(project, { after, limit, host }) {
      let query = ofLive()
        .where('b.project_uid', '=', project)
        .orderBy('b.branch_id')
        .orderBy('bindings.uid')
        .limit(limit)
      if (host !== undefined) query = query.where('bindings.host', '=', host)
      if (after !== undefined) {
        const [id = '', uid = ''] = after.split('/')
        query = query.where(sql<boolean>`(b.branch_id, bindings.uid) > (${id}, ${uid})`)
      }
      return (await query.execute()).map(readOfBranch)
    },
    async ofHost(host) {
      const rows = await ofLive()
        .innerJoin('projects as p', 'p.uid', 'b.project_uid')
        .where('p.delete_time', 'is', null)
        .where('bindings.host', '=', host)
        .orderBy('bindings.uid')
        .execute()
      return rows.map(readOfBranch)
    },
    async byUids(project, uids) {
      if (uids.length === 0) return []
      const rows = await ofLive()
        .where('b.project_uid', '=', project)
        .where('bindings.uid', 'in', uids)
        .execute()
      return rows.map(readOfBranch)
    },
    async setGone(changes) {
      if (changes.length === 0) return
      const uids = changes.map(({ uid }) => uid)
      const since = changes.map(({ gone }) => maybeDate(gone?.since))
      const what = changes.map(({ gone }) => gone?.what ?? null)
      const asOf = changes.map(({ asOf: moment }) => toDate(moment))
      await sql`update bindings set gone_since = c.since, gone_what = c.what
        from unnest(${uids}::text[], ${since}::timestamptz[], ${what}::text[], ${asOf}::timestamptz[])
          as c (uid, since, what, as_of)
        where bindings.uid = c.uid and bindings.update_time = c.as_of`.execute(db)
    },
    async removeAll(branch) {
      await db.deleteFrom('bindings').where('branch_uid', '=', branch).execute()
    },
  }
}

const write = (binding: Binding): BindingsTable => ({
  uid: binding.uid,
  branch_uid: binding.branchUid,
  host: binding.host,
  git_dir: binding.gitDir,
  common_dir: binding.commonDir,
  root: binding.root,
  device: binding.device,
  root_device: binding.rootDevice,
  git_ref: binding.gitRef ?? null,
  commit: binding.commit ?? null,
  repository: binding.repository ?? null,
  pull_request: binding.pullRequest ?? null,
  agent: binding.agent ?? null,
  process: binding.process ?? null,
  is_own: binding.isOwn,
  bound_by: binding.boundBy,
  create_time: toDate(binding.createTime),
  update_time: toDate(binding.updateTime),
  gone_since: maybeDate(binding.gone?.since),
  gone_what: binding.gone?.what ?? null,
})

const read = (row: Selectable<BindingsTable>): Binding => ({
  uid: row.uid as BindingUid,
  branchUid: row.branch_uid as BranchUid,
  host: row.host,
  gitDir: row.git_dir,
  commonDir: row.common_dir,
  root: row.root,
  device: row.device,
  rootDevice: row.root_device,
  ...(row.git_ref === null ? {} : { gitRef: row.git_ref }),
  ...(row.commit === null ? {} : { commit: row.commit }),
  ...(row.repository === null ? {} : { repository: row.repository }),
  ...(row.pull_request === null ? {} : { pullRequest: row.pull_request }),
  ...(row.agent === null ? {} : { agent: row.agent }),
  ...(row.process === null ? {} : { process: row.process }),
  isOwn: row.is_own,
  boundBy: row.bound_by as IdentityUid,
  createTime: toMoment(row.create_time),
  updateTime: toMoment(row.update_time),
  gone:
    row.gone_since === null
      ? undefined
      : { since: toMoment(row.gone_since), what: row.gone_what as Gone },
})

const readOfBranch = (
  row: Selectable<BindingsTable> & { readonly project_uid: string; readonly branch_id: string },
): BindingOfBranch => ({
  ...read(row),
  projectUid: row.project_uid as ProjectUid,
  branchId: row.branch_id as BranchId,
})
