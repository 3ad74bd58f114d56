/** SQL for a coding agent: one tool that can only read, so that clients may let it run unasked, and one that changes things. */
import { z } from 'zod'
import { seconds } from '../../lib/time.ts'
import { placeIfAny } from '../worktree-branch.ts'
import { type Outcome, runStatement, type Statement } from './sql-session.ts'
import { type Answer, chosenBranch, refuseProtected, type Session, tool } from './tool.ts'

const defaultDatabase = 'databricks_postgres'
const size = 60_000

export const branchInput = z
  .string()
  .min(1)
  .max(300)
  .optional()
  .describe("PROJECT/BRANCH, or its full name. Left out: this worktree's own branch.")
export const databaseInput = z
  .string()
  .min(1)
  .max(63)
  .optional()
  .describe('Left out: what lakelet.toml says.')

const input = z.strictObject({
  sql: z
    .string()
    .min(1)
    .max(200_000)
    .describe('One statement. Give values as $1, $2, … and in params.'),
  params: z.array(z.string().nullable()).max(100).default([]),
  branch: branchInput,
  database: databaseInput,
  max_rows: z.int().min(1).max(1000).default(200).describe('Rows beyond it are left out.'),
  timeout_seconds: z.int().min(1).max(600).default(30),
})

export const queryTool = tool({
  name: 'query',
  title: 'Read with SQL',
  describe:
    "Run one statement on this worktree's branch in a read-only transaction, with a credential that can only read. EXPLAIN works too. Rows come in Postgres's own text form.",
  effect: 'reads',
  input,
  run: async (asked, session) => run(asked, 'read', session),
})

export const executeTool = tool({
  name: 'execute',
  title: 'Change with SQL',
  describe:
    "Run one statement that changes rows on this worktree's branch; one that changes the schema is undone, unless that was allowed. Change the schema by a migration of the project rather than with this.",
  needs: ['write', 'ddl'],
  effect: 'destroys',
  input,
  run: async (asked, session) => run(asked, session.allowed.has('ddl') ? 'ddl' : 'write', session),
})

async function run(
  asked: z.output<typeof input>,
  does: Statement['does'],
  session: Session,
): Promise<Answer> {
  const branch = await chosenBranch(asked.branch, session)
  if (does !== 'read') refuseProtected(branch, session.allowed)
  const outcome = await runStatement(
    branch,
    {
      text: asked.sql,
      params: asked.params,
      database: asked.database ?? (await databaseOf(session)),
      does,
      timeout: seconds(asked.timeout_seconds),
      bounds: { rows: asked.max_rows, size },
    },
    session,
  )
  return { note: noteOf(outcome, branch.name), data: rowsOf(outcome) }
}

/** Outside of a worktree there is no project file to name another one. */
export const databaseOf = async ({ io }: Pick<Session, 'io'>): Promise<string> => {
  const place = await placeIfAny(io)
  return place?.file.database ?? defaultDatabase
}

function noteOf({ command, count, rows, isCut }: Outcome, branch: string): string {
  const had = count === undefined ? '' : ` ${count}`
  const cut = isCut
    ? ` Cut after ${rows.length} rows: more would be too much. Ask for less, with WHERE, LIMIT or fewer columns.`
    : ''
  return `${command}${had} on ${branch}.${cut}`
}

const rowsOf = ({ columns, rows }: Outcome): unknown =>
  columns.length === 0 ? null : { columns, rows }
