/** Measures the parts that were asked for, prints each when it is done, and keeps the results. */
import { join, resolve } from 'node:path'
import { Bench, type Part } from './bench.ts'
import { Endings } from './endings.ts'
import { commit, describeMachine, load } from './environment.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { api } from './parts/api.ts'
import { baseSnapshots } from './parts/base-snapshots.ts'
import { bytes } from './parts/bytes.ts'
import { cli } from './parts/cli.ts'
import { create } from './parts/create.ts'
import { depth } from './parts/depth.ts'
import { drivers } from './parts/drivers.ts'
import { leftOvers } from './parts/left-overs.ts'
import { login } from './parts/login.ts'
import { manyBranches } from './parts/many-branches.ts'
import { memory } from './parts/memory.ts'
import { point } from './parts/point.ts'
import { reset } from './parts/reset.ts'
import { size } from './parts/size.ts'
import { start } from './parts/start.ts'
import { throughput } from './parts/throughput.ts'
import { wake } from './parts/wake.ts'
import { type Measured, writeResults } from './results-file.ts'
import { asText } from './tables.ts'

const root = resolve(import.meta.dirname, '../..')
const parts: readonly Part[] = [
  create,
  cli,
  size,
  wake,
  throughput,
  memory,
  bytes,
  api,
  drivers,
  login,
  start,
  point,
  reset,
  baseSnapshots,
  manyBranches,
  depth,
  leftOvers,
]

/** Exit code. */
export async function measure(argv: readonly string[]): Promise<number> {
  const options = parseOptions(argv, join(root, 'bench/RESULTS.md'))
  if (options === undefined) {
    process.stdout.write(`${usage}\n`)
    return 0
  }
  if (process.platform !== 'linux') throw new Error('measures on Linux only: it reads /proc')
  const unknown = options.only.filter((name) => !parts.some((part) => part.name === name))
  if (unknown.length > 0) throw new Error(`no such part: ${unknown.join(', ')}\n\n${usage}`)

  const endings = new Endings()
  const cutShort = (signal: NodeJS.Signals) => {
    if (endings.isOver) return process.stderr.write('Still cleaning up.\n')
    process.stderr.write(`\n${signal}: cleaning up.\n`)
    void endings.run().then(() => process.exit(130))
    return true
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, cutShort)
  process.on('uncaughtException', (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`)
    void endings.run().then(() => process.exit(1))
  })
  try {
    return await measureParts(options, endings)
  } finally {
    await endings.run()
  }
}

async function measureParts(options: Options, endings: Endings): Promise<number> {
  const bench = new Bench(options, endings)
  const { server } = await bench.main()
  const machine = await describeMachine(server)
  for (const line of machine) bench.say(line)
  const what = `commit ${await commit(root)}${options.isQuick ? ', reduced run' : ''}`
  const measured: Measured[] = []
  let failures = 0
  for (const part of parts) {
    if (options.only.length > 0 && !options.only.includes(part.name)) continue
    bench.say(`${part.name}: ${part.title}`)
    try {
      const result = await measurePart(bench, part, what)
      measured.push(result)
      const tables = result.findings.tables.map(asText).join('\n\n')
      process.stdout.write(`\n${part.title}\n\n${tables}\n\n${result.circumstances}\n\n`)
    } catch (error) {
      if (endings.isOver) throw error
      failures += 1
      process.stdout.write(`FAILED ${part.name}: ${error instanceof Error ? error.stack : error}\n`)
      for (const line of server.troubles()) process.stdout.write(`  ${line}\n`)
      const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
      measured.push(failed(part, reason))
    }
    if (options.out !== undefined) {
      writeResults(
        options.out,
        machine,
        measured,
        [...parts.map(({ name }) => name), 'soak'], // written by `npm run soak -- --write`
      )
    }
  }
  return failures === 0 ? 0 : 1
}

async function measurePart(bench: Bench, part: Part, what: string): Promise<Measured> {
  const before = load()
  const began = performance.now()
  const findings = await part.run(bench)
  const minutes = ((performance.now() - began) / 60_000).toFixed(1)
  const when = `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return {
    name: part.name,
    title: part.title,
    findings,
    circumstances: `Measured ${when}, ${what}; took ${minutes} minutes; load average ${before} before, ${load()} after.`,
  }
}

const failed = (part: Part, reason: string): Measured => ({
  name: part.name,
  title: part.title,
  findings: { explain: [], tables: [{ columns: ['', ''], rows: [['cannot run', reason]] }] },
  circumstances: `Tried ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC.`,
})
