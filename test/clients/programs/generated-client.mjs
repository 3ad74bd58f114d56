/** Types generated from the API document that the server serves, a client compiled with them, and run. */
import { copyFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { run } from '../../../scripts/run-command.mjs'

const generated = resolve(import.meta.dirname, '../generated')
const work = process.env.WORK_DIR

writeFileSync(join(work, 'package.json'), '{ "type": "module" }')
copyFileSync(join(generated, 'client.mts'), join(work, 'client.mts'))
symlinkSync(join(generated, 'node_modules'), join(work, 'node_modules'))

async function tool(path, ...args) {
  const program = join(generated, 'node_modules', path)
  const done = await run(process.execPath, [program, ...args], { cwd: work })
  if (done.code !== 0) throw new Error(`${path} ended with ${done.code}: ${done.output}`)
}

await tool(
  'openapi-typescript/bin/cli.js',
  `${process.env.DATABRICKS_HOST}/api/openapi.json`,
  '--output',
  'api.d.ts',
)
await tool(
  'typescript/bin/tsc',
  ...['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck'],
  ...['--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023,dom'],
  ...[
    '--types',
    'node',
    '--typeRoots',
    resolve(import.meta.dirname, '../../../node_modules/@types'),
  ],
  'client.mts',
)
await import(pathToFileURL(join(work, 'client.mjs')).href)
