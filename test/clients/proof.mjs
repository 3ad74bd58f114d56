/**
 * What every driver must be able to do, written once for the Node drivers. The owner makes a branch
 * with an end and tables on it; another identity forks it and alters and drops what the owner made;
 * neither the branch nor its parent sees any of that.
 */
import { apiOf, check, lifeOf } from './api.mjs'

const project = process.env.PROJECT

/** `connect({host, user, token, endpoint, apiToken})` answers with `{query(sql) → rows, end()}`. */
export async function prove(name, connect) {
  const table = `proof_${name.replaceAll('-', '_')}`
  const ownerToken = process.env.DATABRICKS_TOKEN // now: a driver may be told another one later
  const otherToken = process.env.OTHER_TOKEN
  const owner = apiOf(ownerToken)
  const other = apiOf(otherToken)
  const production = `projects/${project}/branches/production`

  async function on(api, apiToken, branch, work) {
    const { userName: user } = await api.me()
    const endpoint = await api.endpoint(branch)
    const { token } = await api.credential(endpoint.name)
    const host = endpoint.status.hosts.host
    const session = await connect({ host, user, token, endpoint: endpoint.name, apiToken })
    try {
      const [{ who }] = await session.query('SELECT current_user AS who')
      check(who === user, `the session is ${user}'s own, not ${who}'s`)
      return await work(session)
    } finally {
      await session.end()
    }
  }
  const asOwner = (branch, work) => on(owner, ownerToken, branch, work)
  const asOther = (branch, work) => on(other, otherToken, branch, work)
  async function columns(session) {
    const rows = await session.query(
      `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('public.${table}') AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    )
    return rows.map((row) => row.attname).join()
  }

  const branch = await owner.createBranch(project, name, { source_branch: production, ttl: '600s' })
  check(lifeOf(branch) === 600, 'the branch ends after its ttl')
  await asOwner(branch.name, async ({ query }) => {
    await query(
      `CREATE TABLE ${table} (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)`,
    )
    await query(`INSERT INTO ${table} (note) VALUES ('one'), ('two'), ('three')`)
    await query(`CREATE INDEX ${table}_note ON ${table} (note)`)
    await query(`CREATE VIEW ${table}_notes AS SELECT note FROM ${table}`)
    await query(`CREATE TYPE ${table}_mood AS ENUM ('calm')`)
  })
  await asOther(branch.name, ({ query }) => query(`ALTER TABLE ${table} ADD COLUMN by_other text`))

  const fork = await other.createBranch(project, `${name}-fork`, {
    source_branch: branch.name,
    ttl: '300s',
  })
  check(fork.status.source_branch === branch.name, 'the fork names its source')
  await asOther(fork.name, async ({ query }) => {
    const [{ count }] = await query(`SELECT count(*)::int AS count FROM ${table}`)
    check(count === 3, 'the fork has the rows of its source')
    await query(`ALTER TABLE ${table} ADD COLUMN forked integer DEFAULT 7`)
    await query(`ALTER TABLE ${table} RENAME COLUMN note TO remark`)
    await query(`CREATE INDEX CONCURRENTLY ${table}_forked ON ${table} (forked)`)
    await query(`ALTER TYPE ${table}_mood ADD VALUE 'wild'`)
    await query(`DROP VIEW ${table}_notes`)
    await query(`DROP TABLE ${table}`)
    check((await columns({ query })) === '', 'the table is gone on the fork')
  })
  await asOwner(branch.name, async (session) => {
    check((await columns(session)) === 'id,note,by_other', 'the branch keeps its table as it was')
  })
  await asOwner(production, async (session) => {
    check((await columns(session)) === '', 'the parent has never seen the table')
  })
  await other.deleteBranch(fork.name)
  await owner.deleteBranch(branch.name)
}
