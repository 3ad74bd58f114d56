/**
 * What a verification of a branch found: data checksums of every page, and the structure of every relation
 * that amcheck knows, put together to one report. Pure.
 */
import type { EpochMs } from '../lib/time.ts'
import { rfc3339 } from '../lib/time.ts'

/** Problems that a report names; all are counted. */
export const mostProblems = 100
/** Relations that a report names as not looked into; all are counted. */
const mostUnchecked = 100

export interface VerifiedPages {
  readonly pages: number
  readonly damagedPages: number
  readonly damaged: readonly {
    readonly database: number
    readonly filenode: number
    readonly fork: string
    readonly block: number
    readonly path: string
    readonly problem: string
  }[]
}

export interface VerifiedRelations {
  readonly hasChecksums: boolean
  /** Pages of one file of a relation. */
  readonly segmentPages: number
  readonly amcheck: string | undefined
  readonly databases: readonly {
    readonly database: string
    readonly oid: number
    readonly tables: number
    readonly indexes: number
    readonly unchecked: readonly { readonly relation: string; readonly why: string }[]
  }[]
  readonly problemCount: number
  readonly problems: readonly {
    readonly database: string
    readonly relation: string | undefined
    readonly block: number | undefined
    readonly message: string
  }[]
  readonly names: readonly {
    readonly databaseOid: number
    readonly filenode: number
    readonly database: string | undefined
    readonly relation: string
  }[]
}

export interface Verification {
  /** Full name. */
  readonly branch: string
  /** When the clone was taken that was looked at. */
  readonly time: EpochMs
  /** What Postgres said when it did not start on the clone; then no structure was looked at. */
  readonly startProblem: string | undefined
  readonly relations: VerifiedRelations | undefined
  readonly pages: VerifiedPages
}

interface Problem {
  readonly found_by: 'START' | 'CHECKSUM' | 'AMCHECK'
  readonly postgres_database?: string
  readonly relation?: string
  readonly fork?: string
  readonly block?: number
  readonly file?: string
  readonly message: string
}

export type VerificationReport = ReturnType<typeof renderVerification>

export function renderVerification({ branch, time, startProblem, relations, pages }: Verification) {
  const problems: readonly Problem[] = [
    ...(startProblem === undefined ? [] : [{ found_by: 'START' as const, message: startProblem }]),
    ...damagedPages(pages, relations),
    ...(relations?.problems ?? []).map(structureProblem),
  ]
  const count =
    (startProblem === undefined ? 0 : 1) + pages.damagedPages + (relations?.problemCount ?? 0)
  return {
    branch,
    clone_time: rfc3339(time),
    is_sound: count === 0,
    problem_count: count,
    problems: problems.slice(0, mostProblems),
    // Without a start nobody says whether it writes them; a header is looked at in any case.
    data_checksums: relations?.hasChecksums ?? true,
    pages_checked: pages.pages,
    ...(relations?.amcheck === undefined ? {} : { amcheck_version: relations.amcheck }),
    databases: (relations?.databases ?? []).map(({ database, tables, indexes, unchecked }) => ({
      postgres_database: database,
      tables_checked: tables,
      indexes_checked: indexes,
      unchecked_count: unchecked.length,
      unchecked: unchecked
        .slice(0, mostUnchecked)
        .map(({ relation, why }) => ({ relation, reason: why })),
    })),
  }
}

function damagedPages(
  { damaged }: VerifiedPages,
  relations: VerifiedRelations | undefined,
): readonly Problem[] {
  const names = new Map(
    relations?.names.map((name) => [`${name.databaseOid}/${name.filenode}`, name] as const),
  )
  const databases = new Map(relations?.databases.map(({ oid, database }) => [oid, database]))
  return damaged.map(({ database, filenode, fork, block, path, problem }) => {
    const name = names.get(`${database}/${filenode}`)
    const where = name?.database ?? databases.get(database)
    return {
      found_by: 'CHECKSUM',
      ...(where === undefined ? {} : { postgres_database: where }),
      ...(name === undefined ? {} : { relation: name.relation }),
      fork,
      block,
      file: path,
      message: problem,
    }
  })
}

const structureProblem = ({
  database,
  relation,
  block,
  message,
}: VerifiedRelations['problems'][number]): Problem => ({
  found_by: 'AMCHECK',
  postgres_database: database,
  ...(relation === undefined ? {} : { relation }),
  ...(block === undefined ? {} : { block }),
  message,
})
