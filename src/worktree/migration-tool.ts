/** What a migration tool is to Lakelet, and how one finds its files. Pure: reads what `Sources` gives. */
import { posix } from 'node:path'
import type { Counting, Step } from './migration-history.ts'
import type { Sources } from './sources.ts'

/** Where a tool is set up in a project. */
export interface Place {
  /** The file that says so. */
  readonly evidence: string
  /** Where the tool is run; '.' is the project's directory. */
  readonly base: string
  /** Where the migrations lie. */
  readonly folder: string
  /** The table of applied migrations, where the project names another one than is usual. */
  readonly table?: string
}

export interface MigrationTool {
  find(files: Sources): readonly Place[]
  /** Without it nothing can be applied. */
  readonly program: string
  /** Line of sh that applies what is pending. It has no secret in an argument, which other users of a machine can see. */
  command(place: Place): string
  /** The migrations of the code, in their order. */
  steps(files: Sources, place: Place): readonly Step[]
  /** Which table keeps what was applied, as `schema.name` or found by the search path. */
  readonly table: string
  /** A query for `id`, with `is_failed` and `is_baseline` where the tool knows such a thing; `table` is quoted. */
  applied(table: string): string
  readonly counting?: Counting
}

/** Paths that match from their start on or behind a `/`: the directory before it, the match, and its first group. */
export const matching = (files: Sources, pattern: RegExp) =>
  files.paths.flatMap((path) => {
    const match = new RegExp(`^((?:.*?/)??)${pattern.source}$`).exec(path)
    return match === null
      ? []
      : [{ path, base: posix.normalize(match[1] || '.').replace(/(.)\/$/, '$1'), group: match[2] }]
  })

/** Files of a folder and below, without the folder's own name. */
export function below(files: Sources, folder: string, pattern: RegExp): readonly RegExpExecArray[] {
  const prefix = folder === '.' ? '' : `${folder}/`
  return files.paths
    .filter((path) => path.startsWith(prefix))
    .map((path) => pattern.exec(path.slice(prefix.length)))
    .filter((match) => match !== null)
}

export const inside = (base: string, path: string): string => posix.join(base, path)

/** One migration a file whose name begins with digits: the digits are what the table keeps. */
export const numbered =
  (suffix: string): MigrationTool['steps'] =>
  (files, { folder }) =>
    below(files, folder, new RegExp(`^((\\d+)[^/]*)\\.(?:${suffix})$`)).map(
      ([, name = '', id]) => ({
        id: String(BigInt(id ?? '0')),
        name,
      }),
    )

export const withoutZeros = (column: string) => `regexp_replace(${column}, '^0+(?=.)', '')`

/** Whether the first numbered file of SQL of a folder holds a mark; one folder, one tool. */
export const marked = (files: Sources, mark: RegExp): readonly Place[] => {
  const first = new Map<string, string>()
  for (const path of files.paths) {
    const folder = posix.dirname(path)
    if (/^\d+[^/]*\.sql$/.test(posix.basename(path)) && !first.has(folder)) first.set(folder, path)
  }
  return [...first]
    .filter(([, path]) => mark.test(files.read(path)))
    .map(([folder, evidence]) => ({ evidence, folder, base: aboveMigrations(folder) }))
}

/** The directory that a folder such as `db/migrations` is usual in. */
export const aboveMigrations = (folder: string): string =>
  posix.dirname(folder.replace(/(^|\/)(?:db|sql|database)\/(?=[^/]+$)/, '$1'))

/** `folder` as it is seen from `base`, safe in sh. */
export const quoted = ({ base, folder }: Place): string =>
  `'${posix.relative(base, folder).replaceAll("'", `'\\''`) || '.'}'`
