/**
 * When everything is quiet: every branch holds what was done on it, its pages and indexes are sound, every
 * snapshot holds its moment, files and rows agree, and a start of the server changes nothing of that.
 */
import { join } from 'node:path'
import pg from 'pg'
import { nothingIsLeft } from '../fixtures/nothing-left.ts'
import { branchOfSnapshot } from './actions.ts'
import { differences } from './branch-point.ts'
import type { Contents } from './history.ts'
import type { World } from './world.ts'

export async function finalCheck(world: World): Promise<void> {
  const held = new Map<string, Contents>()
  for (const branch of world.branches.values()) held.set(branch.name, await world.lastLook(branch))
  for (const snapshot of world.snapshots.values()) await fully(world, snapshot)
  await world.keeper.restart('stop')
  for (const [name, before] of held) {
    world.problemsOf(`${name} after a restart`, differences(before, await world.contentsOf(name)))
    world.problemsOf(`${name}, amcheck`, await amcheck(world, name))
  }
  await nothingIsLeft(world.keeper.server)
  for (const surprise of world.keeper.surprises) world.problem(surprise)
}

/** No fault is about, so it must succeed. */
async function fully(world: World, snapshot: Parameters<typeof branchOfSnapshot>[1]) {
  const outcome = await branchOfSnapshot(world, snapshot)
  if (outcome !== 'done') world.problem(`no branch of ${snapshot.name}: ${outcome}`)
  for (const branch of world.branches.values()) await branch.writers?.end()
}

const sound = {
  tables: `select c.oid::regclass::text as name, blkno, msg
    from pg_class c join pg_namespace n on n.oid = relnamespace, lateral verify_heapam(c.oid)
    where relkind = 'r' and relpersistence = 'p'`,
  indexes: `select count(bt_index_check(c.oid, true))::int as checked
    from pg_index i join pg_class c on c.oid = indexrelid join pg_am a on a.oid = relam
    where amname = 'btree' and relpersistence = 'p' and indisready and indisvalid`,
} as const

/** Every heap and every btree of a branch, system catalogs too, as a superuser on its socket. */
async function amcheck(world: World, branch: string): Promise<readonly string[]> {
  const { body } = await world.keeper.postgres(`${branch}/endpoints/primary`)
  const client = new pg.Client({
    host: join(world.keeper.server.stateDir, 'run', body.uid),
    user: 'cloud_admin',
    database: 'databricks_postgres',
  })
  await client.connect()
  try {
    await client.query('create extension if not exists amcheck')
    const { rows } = await client.query(sound.tables)
    await client.query(sound.indexes)
    return rows.map(({ name, blkno, msg }) => `${name}, page ${blkno}: ${msg}`)
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  } finally {
    await client.end()
  }
}
