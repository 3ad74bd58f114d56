/**
 * The structure of a cluster's relations, as Postgres's own extension amcheck sees it: tuples of tables and
 * their TOAST values (`verify_heapam`), order and completeness of B-tree indexes against their tables
 * (`bt_index_parent_check`, which also does all that `bt_index_check` does). One relation after another,
 * each statement alone, so that what one of them is refused for says nothing of the next.
 */
import { hours } from '../lib/time.ts'
import type {
  CheckRelations,
  DatabaseChecked,
  RelationName,
  RelationProblem,
  RelationsChecked,
} from '../ports/compute.ts'
import { type ConnectTo, type Session, sqlstate, withSession } from './connection.ts'

/** Where amcheck is put; not a name that somebody has. */
const schema = 'lakelet_verify'
/** One index over hundreds of gigabytes takes its time. */
const patience = hours(12)

export async function checkRelations(
  compute: ConnectTo,
  { most, onRelation, signal }: CheckRelations,
): Promise<RelationsChecked> {
  const to: ConnectTo = { ...compute, patience }
  const { databases, ...facts } = await withSession(to, readCluster)
  const found = new Problems(most)
  const names: RelationName[] = []
  const all: Work[] = []
  for (const { name, oid } of databases) {
    await inDatabase(to, name, found, async (session) => {
      names.push(...(await readNames(session, name, oid)))
      const work = await readWork(session)
      if (facts.amcheck !== undefined) await addAmcheck(session)
      all.push({ database: name, oid, ...work })
    })
  }
  const checked: DatabaseChecked[] = []
  const total = all.reduce((sum, { relations }) => sum + relations.length, 0)
  let done = 0
  for (const { database, oid, relations, unchecked } of all) {
    const counts = { tables: 0, indexes: 0 }
    const refused: { relation: string; why: string }[] = []
    await inDatabase(to, database, found, async (session) => {
      for (const relation of facts.amcheck === undefined ? [] : relations) {
        signal?.throwIfAborted()
        onRelation?.(done, total)
        done += 1
        const why = await checkOne(session, database, relation, found)
        if (why !== undefined) refused.push({ relation: relation.name, why })
        else if (relation.kind === 'index') counts.indexes += 1
        else counts.tables += 1
      }
    })
    checked.push({ database, oid, ...counts, unchecked: [...unchecked, ...refused] })
  }
  return { ...facts, databases: checked, names, problemCount: found.count, problems: found.named }
}

interface Relation {
  readonly oid: string
  /** `schema.name`, quoted where SQL needs it. */
  readonly name: string
  readonly kind: 'table' | 'index'
}

interface Work {
  readonly database: string
  readonly oid: number
  readonly relations: readonly Relation[]
  readonly unchecked: DatabaseChecked['unchecked']
}

class Problems {
  readonly #most: number
  readonly named: RelationProblem[] = []
  count = 0

  constructor(most: number) {
    this.#most = most
  }

  add(problem: RelationProblem): void {
    this.count += 1
    if (this.named.length < this.#most) this.named.push(problem)
  }
}

async function readCluster(session: Session) {
  const [settings] = await session.query(`
    SELECT current_setting('data_checksums') AS checksums,
           pg_size_bytes(current_setting('segment_size')) / current_setting('block_size')::int AS pages,
           (SELECT default_version FROM pg_available_extensions WHERE name = 'amcheck') AS amcheck`)
  // Below 0: half dropped. template0 and what its owner closed are opened: nobody else is here.
  await session.query('UPDATE pg_database SET datallowconn = true WHERE datconnlimit <> -2')
  const databases = await session.query(
    'SELECT oid, datname FROM pg_database WHERE datconnlimit <> -2 ORDER BY datname',
  )
  return {
    hasChecksums: settings?.checksums === 'on',
    segmentPages: Number(settings?.pages),
    amcheck: settings?.amcheck ?? undefined,
    databases: databases.map(({ oid, datname }) => ({ oid: Number(oid), name: datname ?? '' })),
  }
}

/** A database that lets nobody in is a problem of its own; the others are looked at all the same. */
async function inDatabase(
  to: ConnectTo,
  database: string,
  found: Problems,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  try {
    await withSession({ ...to, database }, work)
  } catch (error) {
    if (!isDamage(error)) throw error
    found.add({ database, relation: undefined, ...say(error) })
  }
}

async function readNames(session: Session, database: string, oid: number) {
  const rows = await session.query(`
    SELECT c.relisshared AS shared, pg_relation_filenode(c.oid) AS filenode,
           format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE pg_relation_filenode(c.oid) IS NOT NULL AND c.relpersistence <> 't'`)
  return rows.map(({ shared, filenode, name }): RelationName => {
    const isShared = shared === 't'
    return {
      databaseOid: isShared ? 0 : oid,
      filenode: Number(filenode),
      database: isShared ? undefined : database,
      relation: name ?? '',
    }
  })
}

/** What amcheck can look into, TOAST tables with their own tables; and what it cannot. */
async function readWork(session: Session) {
  const rows = await session.query(`
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relkind AS kind,
           a.amname AS method, coalesce(i.indisvalid AND i.indisready, true) AS valid
    FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_am a ON a.oid = c.relam
      LEFT JOIN pg_index i ON i.indexrelid = c.oid
    WHERE c.relkind IN ('r', 'm', 't', 'i') AND c.relpersistence <> 't'
    ORDER BY n.nspname, c.relname`)
  const relations: Relation[] = []
  const unchecked: { relation: string; why: string }[] = []
  for (const { oid, name, kind, method, valid } of rows) {
    const relation = name ?? ''
    if (method === 'heap' || (method === 'btree' && valid === 't')) {
      relations.push({ oid: oid ?? '', name: relation, kind: kind === 'i' ? 'index' : 'table' })
    } else if (valid !== 't') {
      unchecked.push({ relation, why: 'the index is not valid: Postgres does not use it' })
    } else {
      unchecked.push({ relation, why: `amcheck does not know the access method ${method}` })
    }
  }
  return { relations, unchecked }
}

/** Ours, of the version that this toolchain brings, whatever its owner had installed. */
async function addAmcheck(session: Session): Promise<void> {
  await session.query('DROP EXTENSION IF EXISTS amcheck CASCADE')
  await session.query(`CREATE SCHEMA ${schema}`)
  await session.query(`CREATE EXTENSION amcheck SCHEMA ${schema}`)
}

/** Answers why it could not be looked at, if so. */
async function checkOne(
  session: Session,
  database: string,
  { oid, name: relation, kind }: Relation,
  found: Problems,
): Promise<string | undefined> {
  try {
    if (kind === 'index') {
      await session.query(`SELECT ${schema}.bt_index_parent_check($1::oid::regclass, true)`, [oid])
      return undefined
    }
    const rows = await session.query(
      `SELECT blkno, msg FROM ${schema}.verify_heapam($1::oid::regclass, check_toast => true)`,
      [oid],
    )
    for (const { blkno, msg } of rows) {
      found.add({ database, relation, block: Number(blkno), message: msg ?? '' })
    }
    return undefined
  } catch (error) {
    if (isDamage(error)) found.add({ database, relation, ...say(error) })
    else if (isRefusal(error)) return say(error).message
    else throw error
    return undefined
  }
}

/** Data or index corrupted (XX001, XX002), other inner errors, a file that is not there or cannot be read. */
const isDamage = (error: unknown): boolean => /^(XX|58)/.test(sqlstate(error) ?? '')

/** Said of this relation alone, such as by the function of an index's expression; not of the machine. */
const isRefusal = (error: unknown): boolean => {
  const code = sqlstate(error) ?? ''
  return /^[0-9A-Z]{5}$/.test(code) && !/^(08|53|57)/.test(code)
}

/** `…in block 3 of relation…`, `…tid=(3,1)…`: where, if Postgres says it. */
function say(error: unknown): { readonly message: string; readonly block: number | undefined } {
  const message = error instanceof Error ? error.message : String(error)
  const detail =
    error instanceof Error && 'detail' in error && typeof error.detail === 'string'
      ? error.detail
      : ''
  const place = /\bblocks? (\d+)|tid=\((\d+),/.exec(`${message} ${detail}`)
  const block = place?.[1] ?? place?.[2]
  return {
    message: detail === '' ? message : `${message}: ${detail}`,
    block: block === undefined ? undefined : Number(block),
  }
}
