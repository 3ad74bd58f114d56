/**
 * `npm run soak`: writers with invariants, random actions on branches and random faults, then a full
 * check (test/soak). A minute of it is a test; this is as much as one likes.
 *
 *   npm run soak -- [--minutes 30] [--seed N] [--write]     --write: the result goes to bench/RESULTS.md
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { formatResults } from './format-results.mjs'
import { ensureSystemPackages } from './packages.mjs'
import { run } from './run-command.mjs'
import { ensureBuild, ensureDependencies } from './setup.mjs'

const root = resolve(import.meta.dirname, '..')

function readOptions() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '30' },
      seed: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  })
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= 24 * 60)) throw new Error('--minutes: above 0, up to 1440')
  if (values.seed !== undefined && !/^\d{1,10}$/.test(values.seed)) {
    throw new Error('--seed: a whole number, as an earlier run printed it')
  }
  return {
    LAKELET_SOAK_SECONDS: String(Math.round(minutes * 60)),
    ...(values.seed === undefined ? {} : { LAKELET_SOAK_SEED: values.seed }),
    ...(values.write ? { LAKELET_SOAK_RESULTS: resolve(root, 'bench/RESULTS.md') } : {}),
  }
}

try {
  const env = readOptions()
  await ensureDependencies()
  for (const reason of await ensureSystemPackages((text) => console.log(`# ${text}`))) {
    console.log(`# ${reason}`)
  }
  await ensureBuild()
  const done = await run(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      'test/soak/soak.test.ts',
      '--disable-console-intercept',
    ],
    { cwd: root, show: true, env: { ...process.env, ...env } },
  )
  if (env.LAKELET_SOAK_RESULTS !== undefined) await formatResults()
  process.exitCode = done.code
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
