/** How a branch differs from another one, by the code of `lakelet diff`, with credentials that can only read. */
import { z } from 'zod'
import type { Branch } from '../../client/resources.ts'
import type { Session as Database } from '../../database/open-database.ts'
import { firstLines, rowLines, schemaLines } from '../../database/show-diff.ts'
import { seconds } from '../../lib/time.ts'
import { findPair, readDiff, withSessions } from '../branch-difference.ts'
import { accessTo } from '../worktree-branch.ts'
import { toRead } from './sql-session.ts'
import { databaseInput } from './sql-tools.ts'
import { tool } from './tool.ts'

const branch = z.string().min(1).max(300).optional()
/** Of all lines of the answer together, in characters. */
const size = 60_000

export const diffTool = tool({
  name: 'diff',
  title: 'Compare two branches',
  describe:
    "How the schema and the number of rows of this worktree's branch differ from those of the branch that it was made of, or of any two branches. Counting rows reads whole tables.",
  effect: 'reads',
  input: z.strictObject({
    from: branch.describe('PROJECT/BRANCH or an id. Left out: the branch that "to" was made of.'),
    to: branch.describe("PROJECT/BRANCH or an id. Left out: this worktree's own branch."),
    database: databaseInput,
    rows: z.boolean().default(true).describe('Whether rows are counted too.'),
    patience_seconds: z
      .int()
      .min(1)
      .max(600)
      .default(30)
      .describe('A table that takes longer is not counted.'),
  }),
  run: async ({ from, to, database, rows, patience_seconds }, session) => {
    const { client, connection, login, io, signal } = session
    const pair = await findPair({ from, to, database }, session)
    const open = (one: Branch) => accessTo(client, connection, one, pair, login, io, toRead)
    const accesses = [await open(pair.from), await open(pair.to)] as const
    const found = await withSessions(accesses, 'lakelet mcp', (sessions) =>
      untilGivenUp(sessions, signal, () =>
        readDiff(sessions, pair, rows ? seconds(patience_seconds) : undefined),
      ),
    )
    const lines = [...schemaLines(found.schema)]
    const schema = firstLines(lines, size)
    const counts = found.rows === undefined ? [] : [...rowLines(found.rows)]
    const kept = firstLines(counts, size - schema.join('\n').length - 1)
    const left = lines.length + counts.length - schema.length - kept.length
    const cut = left === 0 ? '' : ` Cut: ${left} more lines would be too much.`
    return {
      note: `From ${found.from} to ${found.to}: + is only in the second, - only in the first, ~ in both and not the same.${cut}`,
      data: { schema, ...(rows ? { rows: kept } : {}) },
    }
  },
})

/** A caller that gives up ends what runs on the servers too. */
async function untilGivenUp<T>(
  sessions: readonly Database[],
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const stop = () => {
    for (const session of sessions) void session.close().catch(() => undefined)
  }
  signal.throwIfAborted()
  signal.addEventListener('abort', stop)
  try {
    for (const session of sessions) {
      await session.read("SET client_connection_check_interval = '1s'")
    }
    return await work()
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
