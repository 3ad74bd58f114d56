/**
 * The migrations of a project: by the line that lakelet.toml says, else by the tool whose files are there. What runs finds
 * programs of the project's own (.venv, node_modules) before those of the machine.
 */
import { delimiter, dirname, join, relative } from 'node:path'
import { readApplied } from '../database/applied-migrations.ts'
import type { Session } from '../database/open-database.ts'
import type { MigrationStatus } from '../worktree/migration-history.ts'
import {
  appliedQuery,
  chooseSetup,
  commandOf,
  findSetups,
  migrationTools,
  type Setup,
  statusOf,
  tableOf,
} from '../worktree/migration-tools.ts'
import { type EnvField, type ProjectFile, usualEnv } from '../worktree/project-file.ts'
import { openSources, type Sources } from '../worktree/sources.ts'
import { type BecomeOptions, become } from './become.ts'
import { findProgram } from './find-program.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'
import { type Place, variablesOf } from './worktree-branch.ts'

export interface Migrations {
  /** Of sh. */
  readonly line: string
  readonly directory: string
  /** PATH. */
  readonly path: string
  /** The tool whose table can be read; `undefined`: only the line is known. */
  readonly known: { readonly setup: Setup; readonly sources: Sources } | undefined
}

/** Files are looked for in a worktree alone: what git ignores is none of the project's. */
export interface MigratedPlace {
  readonly worktree: Pick<Place['worktree'], 'root'> | undefined
  readonly file: ProjectFile
}

/** `undefined`: none are here, or lakelet.toml says `none`. Throws Refusal when they are here and cannot run. */
export async function findMigrations(
  { worktree, file }: MigratedPlace,
  io: CliIo,
): Promise<Migrations | undefined> {
  const { migrate, directory } = file
  if (migrate === 'none') return undefined
  const pathFrom = (place: string) => pathOf(place, worktree?.root ?? directory, io)
  if (worktree === undefined) {
    return migrate === undefined
      ? undefined
      : { line: migrate, directory, path: pathFrom(directory), known: undefined }
  }
  const sources = await openSources(directory)
  const setups = findSetups(sources)
  const setup = chooseSetup(setups, migrate)
  const known = setup === undefined ? undefined : { setup, sources }
  if (migrate !== undefined) return { line: migrate, directory, path: pathFrom(directory), known }
  if (setups.length === 0) return undefined
  if (setup === undefined) {
    const found = setups.map(({ tool, evidence }) => `${tool} (${evidence})`)
    throw new Refusal(
      `there are migrations of several kinds: ${found.join(', ')}`,
      'Say what to run in lakelet.toml: migrate = "…"; or give each project a lakelet.toml in its own directory.',
    )
  }
  const place = join(directory, setup.base)
  const path = pathFrom(place)
  const { program } = migrationTools[setup.tool]
  if ((await findProgram(program, path)) === undefined) {
    throw new Refusal(
      `${setup.evidence} is there for ${setup.tool}, but ${program} is not installed: it is neither on your PATH nor in .venv or node_modules here`,
      'Install it, or say in lakelet.toml what to run: migrate = "…"; "none" for nothing.',
    )
  }
  return { line: commandOf(setup), directory: place, path, known }
}

/** For commands that are about nothing else. */
export async function neededMigrations(place: Place, io: CliIo): Promise<Migrations> {
  const found = await findMigrations(place, io)
  if (found !== undefined) return found
  throw new Refusal(
    `there are no migrations in ${relative(io.cwd, place.file.directory) || 'this directory'} that Lakelet knows`,
    `Say what to run in lakelet.toml: migrate = "…". It finds: ${Object.keys(migrationTools).join(', ')}.`,
  )
}

/** Directories of programs from `place` up to the worktree's top, then those of the caller. */
function pathOf(place: string, root: string, { env }: CliIo): string {
  const own: string[] = []
  for (let at = place; ; at = dirname(at)) {
    own.push(join(at, '.venv/bin'), join(at, 'venv/bin'), join(at, 'node_modules/.bin'))
    if (at === root || at === dirname(at)) break
  }
  return [...own, env.PATH ?? ''].join(delimiter)
}

/** Exit code. Libpq's names and DATABASE_URL are there whatever the project file calls its variables. */
export function runMigrations(
  { line, directory, path }: Migrations,
  access: Readonly<Record<EnvField, string>>,
  file: Pick<ProjectFile, 'env'>,
  io: CliIo,
  how: Pick<BecomeOptions, 'isQuiet' | 'signal'>,
): Promise<number> {
  const env = {
    ...io.env,
    ...variablesOf({ env: usualEnv }, access),
    ...variablesOf(file, access),
    PATH: path,
  }
  return become('sh', ['-c', line], env, { ...how, cwd: directory })
}

/** `undefined`: the tool is not known. */
export async function readStatus(
  { known }: Pick<Migrations, 'known'>,
  session: Session,
): Promise<MigrationStatus | undefined> {
  if (known === undefined) return undefined
  const { setup, sources } = known
  const rows = await readApplied(session, tableOf(setup), (table) => appliedQuery(setup, table))
  return statusOf(sources, setup, rows)
}

/** Names of those that were pending and are not any more; `undefined`: nobody can say. */
export const appliedSince = (
  before: MigrationStatus | undefined,
  after: MigrationStatus | undefined,
): readonly string[] | undefined =>
  before?.pending.filter((name) => after?.pending.includes(name) === false)

/** Sentences about what is wrong with the code's migrations, or between them and the database. */
export function warningsOf({ ahead, heads, failed, late }: MigrationStatus): readonly string[] {
  const some = (names: readonly string[]) =>
    names.length > 5
      ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
      : names.join(', ')
  return [
    ...(ahead.length === 0
      ? []
      : [
          `The database is ahead of the code: it has had ${some(ahead)}, which this checkout does not know. Get the code, or give the branch what its source holds: lakelet branch reset`,
        ]),
    ...heads.map(
      (names) => `The code has two heads: ${some(names)}. Merge them, so that one is the last.`,
    ),
    ...(failed.length === 0 ? [] : [`Begun and not finished: ${some(failed)}.`]),
    ...(late.length === 0
      ? []
      : [`Pending although a later one is applied: ${some(late)}. Some tools pass these over.`]),
  ]
}
