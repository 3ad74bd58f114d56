/** Between a branch and a worktree's programs: a credential of this moment in the env file, with all that they need to get in. */
import { type EnvFile, openEnvFile, writeEnvFile } from '../worktree/env-file.ts'
import { hasMoved } from '../worktree/git-worktree.ts'
import type { EnvField } from '../worktree/project-file.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'
import { accessTo, type Found, type Place, type Reached, variablesOf } from './worktree-branch.ts'

export interface Given {
  readonly found: Found
  readonly access: Readonly<Record<EnvField, string>>
  /** What was written, by the names of the project file. */
  readonly values: Readonly<Record<string, string>>
  readonly env: EnvFile
}

/** Writes the env file for the branch that `pick` finds or makes. Throws WorktreeProblem and Refusal before anything is made. */
export async function giveDatabase(
  { worktree, file }: Place,
  { client, connection }: Reached,
  pick: (login: string) => Promise<Found>,
  io: CliIo,
): Promise<Given> {
  const env = await openEnvFile(worktree, file) // refused before anything is made
  const { userName: login } = await client.me()
  const found = await pick(login)
  const access = await accessTo(client, connection, found.branch, file, login, io)
  const values = variablesOf(file, access)
  if (await hasMoved(worktree)) {
    throw new Refusal(
      'another branch was checked out meanwhile, so the env file is left as it was',
      'Run lakelet dev again.',
    )
  }
  await writeEnvFile(env, worktree, { branch: found.branch.name, values })
  return { found, access, values, env }
}
