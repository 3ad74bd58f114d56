/** What the migrations of the code and those that a branch has had say of each other, by the code of `lakelet migrate status`. */
import { z } from 'zod'
import { statusBody, tellStatus } from '../migration-status.ts'
import { neededMigrations, warningsOf } from '../run-migrations.ts'
import { accessTo, findPlace } from '../worktree-branch.ts'
import { toRead } from './sql-session.ts'
import { branchInput } from './sql-tools.ts'
import { chosenBranch, tool } from './tool.ts'

export const migrationsTool = tool({
  name: 'migrations',
  title: 'Show the state of the migrations',
  describe:
    "Which migrations of this worktree's code its branch has not had yet, whether the database is ahead of the code, and whether the code has two heads. Nothing is run: the command line does that with lakelet migrate.",
  effect: 'reads',
  input: z.strictObject({ branch: branchInput }),
  run: async ({ branch: text }, session) => {
    const { client, connection, login, io } = session
    const place = await findPlace(io)
    const migrations = await neededMigrations(place, io)
    const branch = await chosenBranch(text, session)
    const access = await accessTo(client, connection, branch, place.file, login, io, toRead)
    const told = await tellStatus(migrations, access)
    return {
      note: `Migrations of ${place.file.directory} on ${branch.name}.`,
      data: { ...statusBody(branch.name, told), warnings: warningsOf(told.status) },
    }
  },
})
