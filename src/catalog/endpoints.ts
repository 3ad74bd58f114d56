/** Endpoints, their addresses, and the password verifiers of their branches. */
import { type Insertable, type Kysely, sql } from 'kysely'
import type { BranchPath, BranchUid, EndpointUid, ProjectUid, VolumeUid } from '../domain/names.ts'
import type { EndpointContext, Endpoints } from '../ports/catalog.ts'
import { readBranch, readEndpoint, readProject, toMoment, writeEndpoint } from './rows.ts'
import type { EndpointsTable, Schema } from './schema.ts'

/** 127.88.0.2 … 127.88.253.255: numbers of the sequence, one loopback address each. */
const addressOf = (n: number): string => `127.88.${n >> 8}.${n & 255}`

export const endpointsIn = (db: Kysely<Schema>): Endpoints => ({
  async insert(endpoint) {
    const row = writeEndpoint(endpoint) as Insertable<EndpointsTable>
    await db.insertInto('endpoints').values(row).execute()
  },
  async byId(branch, id) {
    const row = await db
      .selectFrom('endpoints')
      .selectAll()
      .where('branch_uid', '=', branch)
      .where('endpoint_id', '=', id)
      .where('life', '<>', 'DELETED')
      .executeTakeFirst()
    return row && readEndpoint(row)
  },
  async ofBranch(branch) {
    const rows = await db
      .selectFrom('endpoints')
      .selectAll()
      .where('branch_uid', '=', branch)
      .orderBy(sql`type <> 'ENDPOINT_TYPE_READ_WRITE'`)
      .orderBy('endpoint_id')
      .execute()
    return rows.map(readEndpoint)
  },
  async list(branch, { after, limit }) {
    // Scripts take the first element for the read-write one, so that one comes first on any page.
    const rows = (await this.ofBranch(branch)).filter(({ life }) => life !== 'DELETED')
    const start = after === undefined ? 0 : rows.findIndex((row) => row.endpointId === after) + 1
    return rows.slice(start, start + limit)
  },
  async update(uid, changes) {
    await db.updateTable('endpoints').set(writeEndpoint(changes)).where('uid', '=', uid).execute()
  },
  async remove(uid) {
    await db.deleteFrom('endpoints').where('uid', '=', uid).execute()
  },
  async context(uid) {
    return (await contexts(db, sql`e.uid = ${uid}`))[0]
  },
  async contextByAddress(address) {
    return (await contexts(db, sql`e.address = ${address}`))[0]
  },
  async writerAt(path) {
    const isIt = sql`${isLiveBranch(path)} and e.type = 'ENDPOINT_TYPE_READ_WRITE'`
    return (await contexts(db, isIt))[0]
  },
  async at(path) {
    const isIt = sql`${isLiveBranch(path)}
      and e.endpoint_id = ${path.endpoint} and e.life <> 'DELETED'`
    return (await contexts(db, isIt))[0]
  },
  everyContext: () => contexts(db, sql`true`),
  contextsOf: (project) => contexts(db, sql`p.uid = ${project}`),
  async readyWriters() {
    const rows = await db
      .selectFrom('endpoints as e')
      .innerJoin('branches as b', 'b.uid', 'e.branch_uid')
      .innerJoin('projects as p', 'p.uid', 'b.project_uid')
      .select([
        'e.uid as endpoint',
        'b.uid',
        'b.project_uid',
        'b.volume_uid',
        'b.state_change_time',
      ])
      .where('e.type', '=', 'ENDPOINT_TYPE_READ_WRITE')
      .where('e.life', '<>', 'DELETED')
      .where('b.state', '=', 'READY')
      .where('b.delete_time', 'is', null)
      .where('p.delete_time', 'is', null)
      .orderBy('e.uid')
      .execute()
    return rows.map((row) => ({
      uid: row.endpoint as EndpointUid,
      branch: {
        uid: row.uid as BranchUid,
        projectUid: row.project_uid as ProjectUid,
        volumeUid: row.volume_uid as VolumeUid,
        stateChangeTime: toMoment(row.state_change_time),
      },
    }))
  },
  async everyReader() {
    const rows = await db
      .selectFrom('endpoints')
      .innerJoin('branches', 'branches.uid', 'endpoints.branch_uid')
      .select(['endpoints.uid', 'branches.project_uid'])
      .where('endpoints.type', '=', 'ENDPOINT_TYPE_READ_ONLY')
      .execute()
    return rows.map((row) => ({
      uid: row.uid as EndpointUid,
      projectUid: row.project_uid as ProjectUid,
    }))
  },
  async lastActive(project) {
    const row = await db
      .selectFrom('endpoints')
      .innerJoin('branches', 'branches.uid', 'endpoints.branch_uid')
      .select((inner) => inner.fn.max('last_active_time').as('last'))
      .where('branches.project_uid', '=', project)
      .executeTakeFirst()
    const last = row?.last ?? null
    return last === null ? undefined : toMoment(last)
  },
  async nextAddress() {
    // A sequence that cycles: after 65 000 endpoints it meets addresses that are still in use.
    for (let tries = 0; tries < 65_022; tries += 1) {
      const { rows } = await sql<{ n: string }>`select nextval('endpoint_addresses') as n`.execute(
        db,
      )
      const address = addressOf(Number(rows[0]?.n))
      const taken = await db
        .selectFrom('endpoints')
        .select('uid')
        .where('address', '=', address)
        .executeTakeFirst()
      if (taken === undefined) return address
    }
    throw new Error('no loopback address is free')
  },
  async saveVerifiers(branch, verifiers) {
    await db.deleteFrom('password_verifiers').where('branch_uid', '=', branch).execute()
    const rows = Object.entries(verifiers).map(([role, verifier]) => ({
      branch_uid: branch,
      role,
      verifier,
    }))
    if (rows.length > 0) await db.insertInto('password_verifiers').values(rows).execute()
  },
  async verifier(branch, role) {
    const row = await db
      .selectFrom('password_verifiers')
      .select('verifier')
      .where('branch_uid', '=', branch)
      .where('role', '=', role)
      .executeTakeFirst()
    return row?.verifier
  },
})

const isLiveBranch = ({ project, branch }: BranchPath) =>
  sql`p.project_id = ${project} and p.delete_time is null
    and b.branch_id = ${branch} and b.delete_time is null`

/** One round trip for the three rows: logins and wakes read nothing else. */
async function contexts(
  db: Kysely<Schema>,
  condition: ReturnType<typeof sql>,
): Promise<readonly EndpointContext[]> {
  const { rows } = await sql<{
    e: Record<string, unknown>
    b: Record<string, unknown>
    p: Record<string, unknown>
  }>`select to_jsonb(e) as e, to_jsonb(b) as b, to_jsonb(p) as p
     from endpoints e
     join branches b on b.uid = e.branch_uid
     join projects p on p.uid = b.project_uid
     where ${condition}
     order by e.uid`.execute(db)
  return rows.map(({ e, b, p }) => ({
    endpoint: readEndpoint(fromJson(e)),
    branch: readBranch(fromJson(b)),
    project: readProject(fromJson(p)),
  }))
}

/** to_jsonb gives times as text and int8 as numbers; the readers expect what the driver gives. */
function fromJson<Row>(value: Record<string, unknown>): Row {
  const row: Record<string, unknown> = {}
  for (const [column, field] of Object.entries(value)) {
    if (column.endsWith('_time') && typeof field === 'string') row[column] = new Date(field)
    else if (/_(ms|bytes)$/.test(column) && typeof field === 'number') row[column] = String(field)
    else row[column] = field
  }
  return row as Row
}
