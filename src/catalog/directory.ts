/** Principals with their profile and memberships. Of the built-in groups nobody's membership is a row. */
import { type Kysely, type Selectable, sql } from 'kysely'
import type { IdentityUid } from '../domain/names.ts'
import {
  adminsGroup,
  type DirectoryEntry,
  type PrincipalRef,
  usersGroup,
} from '../domain/principal.ts'
import type { Directory } from '../ports/directory.ts'
import { readIdentity, readPrincipal, toDate } from './rows.ts'
import type { IdentitiesTable, Schema } from './schema.ts'

/** "members" in ASCII. */
const lockKey = '30785386138727027'

export const directoryIn = (db: Kysely<Schema>): Directory => {
  const principals = () => db.selectFrom('identities').selectAll()

  const entriesOf = async (rows: readonly Selectable<IdentitiesTable>[]) => {
    const uids = rows.map(({ uid }) => uid)
    if (uids.length === 0) return []
    const links = await db
      .selectFrom('group_members')
      .selectAll()
      .where((inner) => inner.or([inner('group_uid', 'in', uids), inner('member_uid', 'in', uids)]))
      .execute()
    const implicit = rows.some(({ kind }) => kind === 'GROUP')
      ? await principals().where('kind', '<>', 'GROUP').orderBy('login_name').execute()
      : []
    const others = new Set(links.flatMap((link) => [link.group_uid, link.member_uid]))
    const known = [
      ...rows,
      ...implicit,
      ...(await principals()
        .where('uid', 'in', [...others, adminsGroup, usersGroup])
        .execute()),
    ]
    const refs = new Map(known.map((row) => [row.uid, toRef(row)]))
    const named = (wanted: readonly string[]): readonly PrincipalRef[] =>
      wanted.flatMap((uid) => refs.get(uid) ?? []).sort(byName)
    return rows.map((row): DirectoryEntry => {
      const { uid, kind } = row
      const groups = links.flatMap((link) => (link.member_uid === uid ? [link.group_uid] : []))
      if (row.is_admin) groups.push(adminsGroup)
      if (kind !== 'GROUP') groups.push(usersGroup)
      const members = links.flatMap((link) => (link.group_uid === uid ? [link.member_uid] : []))
      for (const other of implicit) {
        if (uid === usersGroup || (uid === adminsGroup && other.is_admin)) members.push(other.uid)
      }
      return {
        ...readPrincipal(row),
        profile: row.profile,
        groups: named(groups),
        members: named(members),
      }
    })
  }

  return {
    async insert(principal, profile) {
      await db
        .insertInto('identities')
        .values({
          uid: principal.uid,
          kind: principal.kind,
          login_name: principal.loginName,
          display_name: principal.displayName,
          is_admin: principal.isAdmin,
          is_active: principal.isActive,
          create_time: toDate(principal.createTime),
          profile: JSON.stringify(profile),
        })
        .execute()
    },
    async byUid(uid) {
      return (await entriesOf(await principals().where('uid', '=', uid).execute()))[0]
    },
    async byName(name) {
      const row = await principals()
        .where(sql<boolean>`lower(login_name) = lower(${name})`)
        .orderBy(sql`login_name = ${name}`, 'desc')
        .executeTakeFirst()
      return row && readPrincipal(row)
    },
    async list(kind) {
      return entriesOf(await principals().where('kind', '=', kind).orderBy('login_name').execute())
    },
    async update(uid, { displayName, isActive, isAdmin, profile }) {
      const changes = {
        ...(displayName === undefined ? {} : { display_name: displayName }),
        ...(isActive === undefined ? {} : { is_active: isActive }),
        ...(isAdmin === undefined ? {} : { is_admin: isAdmin }),
        ...(profile === undefined ? {} : { profile: JSON.stringify(profile) }),
      }
      if (Object.keys(changes).length === 0) return
      await db.updateTable('identities').set(changes).where('uid', '=', uid).execute()
    },
    async remove(uid) {
      await db.deleteFrom('identities').where('uid', '=', uid).execute()
    },
    async addMembers(group, members) {
      if (members.length === 0) return
      await db
        .insertInto('group_members')
        .values(members.map((member) => ({ group_uid: group, member_uid: member })))
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    },
    async removeMembers(group, members) {
      if (members.length === 0) return
      await db
        .deleteFrom('group_members')
        .where('group_uid', '=', group)
        .where('member_uid', 'in', [...members])
        .execute()
    },
    async principalsOf(uid) {
      const { rows } = await sql<{ uid: string }>`select principals_of(${uid}) as uid`.execute(db)
      return rows.map((row) => row.uid as IdentityUid)
    },
    async countAdmins() {
      const row = await db
        .selectFrom('identities')
        .select((inner) => inner.fn.countAll<string>().as('count'))
        .where('is_admin', '=', true)
        .where('is_active', '=', true)
        .executeTakeFirstOrThrow()
      return Number(row.count)
    },
    async lock() {
      await sql`select pg_advisory_xact_lock(${lockKey}::bigint)`.execute(db)
    },
    async identitiesIn(group) {
      const rows = await principals()
        .where('kind', '<>', 'GROUP')
        .where(sql<boolean>`${group} in (select principals_of(identities.uid))`)
        .orderBy('login_name')
        .execute()
      return rows.map(readIdentity)
    },
  }
}

const toRef = (row: Selectable<IdentitiesTable>): PrincipalRef => {
  const { uid, kind, loginName, displayName } = readPrincipal(row)
  return { uid, kind, loginName, displayName }
}

const byName = (a: PrincipalRef, b: PrincipalRef): number =>
  a.loginName < b.loginName ? -1 : a.loginName > b.loginName ? 1 : 0
