/** How the Node programs of the suite report: one row for each thing done, in the file of `ROWS_FILE`. */
import { appendFileSync } from 'node:fs'

/** The reason why something cannot run here; no failure. */
export class NotRun extends Error {}

const report = (row) => appendFileSync(process.env.ROWS_FILE, `${JSON.stringify(row)}\n`)

/** Does the work and answers with its result; a failure is a row, and the program goes on. */
export async function row(what, work) {
  try {
    const result = await work()
    report({ what, result: 'pass' })
    return result
  } catch (error) {
    if (error instanceof NotRun) report({ what, result: 'skip', reason: error.message })
    else report({ what, result: 'fail', reason: String(error.message ?? error) })
    return undefined
  }
}
