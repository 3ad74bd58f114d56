/**
 * `npm test`: everything from a fresh clone: set-up, lint, types, build, tests. With `--clients` or
 * `--conformance`: real clients against a real server instead of lint and tests. The last line is the
 * count.
 *
 *   node scripts/test.mjs [vitest arguments]
 *   node scripts/test.mjs --clients [--only NAME] [--expiry SECONDS]
 *   node scripts/test.mjs --conformance [--only NAME] [--write]
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ensureSystemPackages } from './packages.mjs'
import { run } from './run-command.mjs'
import { ensureBuild, ensureDependencies } from './setup.mjs'

const root = resolve(import.meta.dirname, '..')
const count = { passed: 0, failed: 0, skipped: 0 }
const say = (text) => console.log(`# ${text}`)

/** Set-up proves nothing, so it counts only when it fails; `false` then. */
async function setUp(name, work) {
  say(name)
  try {
    await work()
    return true
  } catch (error) {
    count.failed += 1
    console.error(`FAILED ${name}: ${error.message}`)
    return false
  }
}

async function verify(name, work) {
  if (await setUp(name, work)) count.passed += 1
}

async function node(...args) {
  const done = await run(process.execPath, args, { cwd: root, show: true })
  if (done.code !== 0) throw new Error(`ended with ${done.code}`)
}

async function installDependencies() {
  const lock = join(root, 'package-lock.json')
  const hash = () => createHash('sha256').update(readFileSync(lock)).digest('hex')
  const before = hash()
  await ensureDependencies()
  if (hash() !== before && process.env.CI === 'true') {
    throw new Error('npm install changed package-lock.json; commit the new one')
  }
}

async function testUnits(args) {
  const directory = mkdtempSync(join(tmpdir(), 'lakelet-test-'))
  const report = join(directory, 'vitest.json')
  try {
    const done = await run(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${report}`,
        ...args,
      ],
      { cwd: root, show: true },
    )
    addVitest(existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined, done.code)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function addVitest(report, code) {
  if (report === undefined) {
    count.failed += 1
    console.error(`FAILED vitest ended with ${code} and wrote no report`)
    return
  }
  // A file that could not be loaded has no tests to fail.
  const unloaded = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length
  const failed = report.numFailedTests + unloaded
  count.passed += report.numPassedTests
  count.skipped += report.numPendingTests + report.numTodoTests
  // An error outside of any test (a leak, an unhandled rejection) shows in the exit code alone.
  count.failed += failed === 0 && code !== 0 ? 1 : failed
}

/** The suites of real clients, by the flag that chooses one. */
const clientSuites = {
  '--clients': async (args) => (await import('../test/clients/run.mjs')).runClients(args),
  '--conformance': async (args) =>
    (await import('../test/conformance/run.mjs')).runConformance(args),
}

async function main(args) {
  const flag = Object.keys(clientSuites).find((each) => args.includes(each))
  if (!(await setUp('npm packages', installDependencies))) return
  for (const reason of await ensureSystemPackages(say)) {
    count.skipped += 1
    console.log(`SKIPPED ${reason}`)
  }
  if (flag !== undefined) {
    if (!(await setUp('build', ensureBuild))) return
    const clients = await clientSuites[flag](args.filter((arg) => arg !== flag))
    for (const key of Object.keys(count)) count[key] += clients[key]
    return
  }
  await verify('lint', () => node('node_modules/@biomejs/biome/bin/biome', 'check', '.'))
  await verify('types', () => node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'))
  if (!(await setUp('build', ensureBuild))) return
  await testUnits(args)
}

await main(process.argv.slice(2)).catch((error) => {
  count.failed += 1
  console.error(error)
})
console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
process.exitCode = count.failed > 0 || count.passed === 0 ? 1 : 0
