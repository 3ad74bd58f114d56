/**
 * `npm run bench`: sets the clone up as `npm test` does, compiles the benchmark, and measures. What is
 * measured and how is in bench/; `npm run bench -- --help` lists the options.
 */
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { formatResults } from './format-results.mjs'
import { ensureSystemPackages } from './packages.mjs'
import { run } from './run-command.mjs'
import { ensureBuild, ensureDependencies } from './setup.mjs'

const root = resolve(import.meta.dirname, '..')

async function compile() {
  const done = await run(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'bench/tsconfig.json')],
    { cwd: root, show: true },
  )
  if (done.code !== 0)
    throw new Error(`the benchmark does not compile: tsc ended with ${done.code}`)
}

try {
  await ensureDependencies()
  for (const reason of await ensureSystemPackages((text) => console.log(`# ${text}`))) {
    console.log(`# ${reason}`)
  }
  await ensureBuild()
  await compile()
  const { measure } = await import(pathToFileURL(join(root, 'bench/dist/main.js')).href)
  process.exitCode = await measure(process.argv.slice(2))
  await formatResults()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
