/**
 * The conformance suite: each client does to a real server what its users do, and reports a row for each
 * thing. The rows are the table of docs/reference/conformance.md.
 */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { indent, runProgram } from '../clients/run-program.mjs'
import { plainEnvironment, startServer, stopServer } from '../clients/server.mjs'
import { compareTraffic } from '../clients/traffic.mjs'
import { conformanceClients } from './clients.mjs'
import { differences, renderTable } from './table.mjs'

const root = resolve(import.meta.dirname, '../..')
const page = join(root, 'docs/reference/conformance.md')
const say = (text) => console.log(`# ${text}`)
/** Milliseconds that one client may take. */
const patience = 600_000

const oneLine = (text) => text.trim().replace(/\s+/g, ' ')

function readRows(file) {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

/** The client's rows; one that ends badly, or says nothing, has a failed row for that. */
async function runClient({ name }, { command, version, env = {} }, server) {
  const work = mkdtempSync(join(server.home, `${name}-`))
  const file = join(work, 'rows.jsonl')
  const { isPassed, output } = await runProgram(
    command,
    {
      ...plainEnvironment(),
      ...server.env,
      ...env,
      ROWS_FILE: file,
      WORK_DIR: work,
      PYTHON_BIN: join(root, '.venv/bin'),
    },
    patience,
  )
  const rows = readRows(file)
  if (!isPassed || rows.length === 0) {
    rows.push({ what: 'the program itself', result: 'fail', reason: oneLine(output).slice(-1000) })
  }
  return { rows, version, output }
}

function report(client, count) {
  for (const { what, result, reason } of client.rows) {
    if (result === 'fail') console.log(`FAILED ${client.name}: ${what}\n${indent(reason)}`)
    if (result === 'skip') console.log(`SKIPPED ${client.name}: ${what}: ${reason}`)
    count[{ pass: 'passed', fail: 'failed', skip: 'skipped' }[result]] += 1
  }
  const passed = client.rows.filter(({ result }) => result === 'pass').length
  console.log(`${passed} of ${client.rows.length} ok: ${client.name} ${client.version}`)
}

async function runAll(chosen, server, count) {
  const done = []
  for (const client of chosen) {
    let prepared
    try {
      prepared = await client.prepare()
    } catch (error) {
      const row = { what: 'everything', result: 'skip', reason: oneLine(error.message) }
      done.push({ ...client, version: '-', rows: [row] })
      report(done.at(-1), count)
      continue
    }
    const result = await runClient(client, prepared, server)
    done.push({ ...client, ...result })
    report(done.at(-1), count)
    if (result.rows.some((row) => row.result === 'fail')) {
      console.log(indent(result.output.slice(-6000)))
    }
  }
  return done
}

/** All that the clients sent and got, as one more client: the server's own description of itself. */
async function traffic(server) {
  const reason = await compareTraffic(server)
  const row = { what: 'every answer to these clients is one that the document declares' }
  return {
    name: 'openapi',
    title: 'The API document',
    version: '3.1 of OpenAPI',
    rows: [reason === undefined ? { ...row, result: 'pass' } : { ...row, result: 'fail', reason }],
  }
}

export async function runConformance(args) {
  const { values } = parseArgs({
    args,
    options: { only: { type: 'string' }, write: { type: 'boolean', default: false } },
  })
  const count = { passed: 0, failed: 0, skipped: 0 }
  const clients = conformanceClients(say, values.only)
  const chosen = clients.filter(({ name }) => values.only === undefined || name === values.only)
  if (chosen.length === 0) throw new Error(`no such client: ${values.only}`)

  say('starting a server')
  const server = await startServer()
  let done = []
  try {
    done = await runAll(chosen, server, count)
    done.push(await traffic(server))
    report(done.at(-1), count)
    if (count.failed > 0) console.log(indent(`server log:\n${server.logTail()}`))
  } finally {
    for (const left of await stopServer(server)) {
      count.failed += 1
      console.log(`FAILED the server left behind: ${left}`)
    }
  }
  if (values.write && values.only === undefined) {
    writeFileSync(page, renderTable(done))
    return count
  }
  for (const line of differences(existsSync(page) ? readFileSync(page, 'utf8') : '', done)) {
    count.failed += 1
    console.log(
      `FAILED not so in docs/reference/conformance.md (npm run test:conformance -- --write): ${line}`,
    )
  }
  return count
}
