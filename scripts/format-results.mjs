/** Brings what benchmarks and the soak wrote into the form that `npm run check` asks for. */
import { join, resolve } from 'node:path'
import { tryRun } from './run-command.mjs'

const root = resolve(import.meta.dirname, '..')

export async function formatResults() {
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
  const file = join(root, 'bench/RESULTS.md')
  const done = await tryRun(process.execPath, [biome, 'format', '--write', file])
  if (done.code !== 0) console.error(`# ${file} is not formatted: ${done.output.trim()}`)
}
