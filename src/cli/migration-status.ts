/** What a branch's database has had of the project's migrations: for `lakelet migrate status` and for the tool of agents. */
import { type Address, openSession } from '../database/open-database.ts'
import type { MigrationStatus } from '../worktree/migration-history.ts'
import type { Setup } from '../worktree/migration-tools.ts'
import { Refusal } from './refusal.ts'
import { type Migrations, readStatus } from './run-migrations.ts'

export interface ToldStatus {
  readonly setup: Setup
  readonly status: MigrationStatus
}

/** Throws Refusal where only the line that runs them is known. */
export async function tellStatus(migrations: Migrations, address: Address): Promise<ToldStatus> {
  const { known, line } = migrations
  const session = await openSession(address)
  try {
    const status = await readStatus(migrations, session)
    if (known !== undefined && status !== undefined) return { setup: known.setup, status }
  } finally {
    await session.close()
  }
  throw new Refusal(
    `nobody can say what ${JSON.stringify(line)} has applied: no files of one tool that Lakelet knows are here`,
    'lakelet migrate runs it all the same.',
  )
}

/** As JSON has it; `branch` is the full name. */
export function statusBody(branch: string, { setup, status }: ToldStatus) {
  const { appliedCount, ...lists } = status
  return {
    branch,
    tool: setup.tool,
    found_by: setup.evidence,
    applied_count: appliedCount,
    ...lists,
  }
}
