/**
 * The SQL between two schemas, by @pgkit/migra, which whoever wants it installs: it brings 42 packages. It runs in a process of
 * its own, since its pools of connections outlive it.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { CommandFailed, runForBytes } from '../lib/subprocess.ts'
import { Refusal } from './refusal.ts'

const program = `require(process.env.LAKELET_MIGRA).run(process.env.LAKELET_FROM, process.env.LAKELET_TO, { unsafe: true })
  .then(({ sql }) => process.stdout.write(sql, () => process.exit(0)),
        (error) => { console.error(error && error.message || error); process.exit(1) })`

/** What makes the first schema the second one; empty when nothing does. The passwords travel in the environment. */
export async function makeSql(
  [from, to]: readonly [{ readonly url: string }, { readonly url: string }],
  directory: string,
): Promise<string> {
  const env = { LAKELET_MIGRA: findMigra(directory), LAKELET_FROM: from.url, LAKELET_TO: to.url }
  try {
    return (await runForBytes(process.execPath, ['--eval', program], { env })).toString('utf8')
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    throw new Refusal(`@pgkit/migra cannot say it in SQL: ${error.stderr.trim().slice(0, 500)}`)
  }
}

/** The project's own, else one that is installed beside Lakelet. */
function findMigra(directory: string): string {
  for (const from of [join(directory, 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve('@pgkit/migra')
    } catch {} // not there
  }
  throw new Refusal(
    'SQL is made by @pgkit/migra, which is not installed',
    'Install it in the project: npm install --save-dev @pgkit/migra@0.6.1',
  )
}
