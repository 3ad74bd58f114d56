/**
 * The migration tools that Lakelet knows, and which one a project has: by the files that it keeps, and where several are found
 * by the line that lakelet.toml says.
 */
import { type AppliedRow, compareHistories, type MigrationStatus } from './migration-history.ts'
import type { MigrationTool, Place } from './migration-tool.ts'
import { drizzle, knex, nodePgMigrate, prisma } from './node-migrations.ts'
import { alembic, django } from './python-migrations.ts'
import type { Sources } from './sources.ts'
import { atlas, dbmate, flyway, goose, rails, sqitch } from './sql-migrations.ts'

export const migrationTools = {
  alembic,
  prisma,
  drizzle,
  knex,
  'node-pg-migrate': nodePgMigrate,
  flyway,
  dbmate,
  rails,
  django,
  sqitch,
  goose,
  atlas,
} as const satisfies Readonly<Record<string, MigrationTool>>
export type ToolName = keyof typeof migrationTools

/** A tool, found in a project. */
export interface Setup extends Place {
  readonly tool: ToolName
}

/** Those that lie nearest to the project's directory; of examples and tests deeper down nobody speaks. */
export function findSetups(files: Sources): readonly Setup[] {
  const all = Object.entries(migrationTools).flatMap(([tool, { find }]) =>
    find(files).map((place) => ({ ...place, tool: tool as ToolName })),
  )
  const depth = ({ base }: Setup) => (base === '.' ? 0 : base.split('/').length)
  const nearest = Math.min(...all.map(depth))
  return all.filter((setup) => depth(setup) === nearest)
}

/** What the line that lakelet.toml says runs, of several; the only one otherwise. */
export function chooseSetup(setups: readonly Setup[], line: string | undefined): Setup | undefined {
  const [first, second] = setups
  if (second === undefined) return first
  const named = setups.filter(({ tool }) => line?.includes(tool))
  return named.length === 1 ? named[0] : undefined
}

/** Line of sh that applies what is pending; runs in `base`. */
export const commandOf = (setup: Setup): string => migrationTools[setup.tool].command(setup)

export const tableOf = ({ tool, table }: Setup): string => table ?? migrationTools[tool].table

export const appliedQuery = ({ tool }: Setup, table: string): string =>
  migrationTools[tool].applied(table)

export function statusOf(
  files: Sources,
  setup: Setup,
  rows: readonly AppliedRow[],
): MigrationStatus {
  const tool: MigrationTool = migrationTools[setup.tool]
  return compareHistories(tool.steps(files, setup), rows, tool.counting)
}
