/** Which two branches are meant, and what is read of both: for `lakelet diff` and for the tool of agents. */
import type { Branch } from '../client/resources.ts'
import { compareSchemas } from '../database/compare-schemas.ts'
import { countChanges } from '../database/count-changes.ts'
import { type Address, openSession, type Session } from '../database/open-database.ts'
import { readSchema } from '../database/read-schema.ts'
import type { Diff } from '../database/show-diff.ts'
import type { Millis } from '../lib/time.ts'
import { findBranch, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'
import { findOwnBranch, findPlace, placeIfAny, type Reached } from './worktree-branch.ts'

export interface Pair {
  readonly from: Branch
  readonly to: Branch
  readonly database: string
  /** Of the project. */
  readonly directory: string
}

export interface Asked {
  /** PROJECT/BRANCH or an id; `undefined`: the branch that `to` was made of. */
  readonly from: string | undefined
  /** The same; `undefined`: this worktree's. */
  readonly to: string | undefined
  /** `undefined`: what lakelet.toml says. */
  readonly database: string | undefined
}

export interface Asker extends Pick<Reached, 'client'> {
  readonly login: string
  readonly io: CliIo
}

/** Throws Refusal and WorktreeProblem: outside of a worktree both must be named. */
export async function findPair(asked: Asked, { client, login, io }: Asker): Promise<Pair> {
  const place = asked.to === undefined ? await findPlace(io) : await placeIfAny(io)
  const named = async (text: string): Promise<Branch> => {
    const project = place?.file.project
    const target = readTarget(text, {})
    const withProject =
      target.project === undefined && project !== undefined ? { ...target, project } : target
    return client.branches.get(await findBranch(client, withProject))
  }
  const own = async (): Promise<Branch> => {
    if (place === undefined) throw new Error('a branch of its own without a worktree')
    return findOwnBranch(client, place.worktree, place.file, login)
  }
  const to = asked.to === undefined ? await own() : await named(asked.to)
  const from = await named(asked.from ?? sourceOf(to))
  const database = asked.database ?? place?.file.database ?? 'databricks_postgres'
  return { from, to, database, directory: place?.file.directory ?? io.cwd }
}

function sourceOf({ name, status }: Branch): string {
  if (status?.source_branch !== undefined) return status.source_branch
  throw new Refusal(
    `${name} was made of no other branch`,
    'Say what to compare it with: lakelet diff A B',
  )
}

/** `patience` of the rows of each table; `undefined`: the schema alone. */
export async function readDiff(
  [a, b]: readonly [Session, Session],
  { from, to }: Pick<Pair, 'from' | 'to'>,
  patience: Millis | undefined,
): Promise<Diff> {
  const [old, now] = [await readSchema(a), await readSchema(b)]
  const rows = patience === undefined ? undefined : await countChanges(a, b, patience)
  return { from: from.name, to: to.name, schema: compareSchemas(old, now), rows }
}

/** A session on each, whose end is the end of the work. */
export async function withSessions<T>(
  [first, second]: readonly [Address, Address],
  name: string,
  work: (sessions: readonly [Session, Session]) => Promise<T>,
): Promise<T> {
  const a = await openSession(first, name)
  try {
    const b = await openSession(second, name)
    try {
      return await work([a, b])
    } finally {
      await b.close()
    }
  } finally {
    await a.close()
  }
}
