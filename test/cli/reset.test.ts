/** `lakelet branch reset` and `restore`: what is asked of the server, and what a person reads. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { readPoint } from '../../src/cli/reset-command.ts'
import { type ContractServer, startContractServer } from './contract-server.ts'
import { buildProgram, runProgram } from './program.ts'

let server: ContractServer
let directory: string
const dev = 'projects/app/branches/dev'
const api = '/api/2.0/postgres'

beforeAll(async () => {
  buildProgram()
  directory = await mkdtemp(join(tmpdir(), 'lakelet-cli-'))
  server = await startContractServer()
})
afterEach(() => {
  server.asked.length = 0
  server.answers.clear()
})
afterAll(async () => {
  await server.close()
  await rm(directory, { recursive: true })
})

const lakelet = (...args: readonly string[]) =>
  runProgram(['branch', ...args], {
    cwd: directory,
    env: { DATABRICKS_HOST: server.host, DATABRICKS_TOKEN: 'dapi-test' },
  })
const asked = () => server.asked.map(({ line, body }) => `${line.replace(api, '')} ${body}`.trim())

const preview = {
  branch: dev,
  source_branch: 'projects/app/branches/production',
  lost: { since: '2026-11-23T06:00:00Z', transactions: 1, wal_bytes: 90112, sessions: 2 },
}
const answer = (verb: string, body: unknown) =>
  server.answers.set(`POST ${api}/${dev}/${verb}`, { status: 200, body })

test('a dry run says what would be lost, as words or as JSON', async () => {
  answer('reset', preview)
  const said = await lakelet('reset', 'app/dev', '--dry-run')
  expect(asked()).toEqual([`POST /${dev}/reset {"dry_run":true}`])
  expect(said.stdout).toContain(
    `Resetting ${dev} to projects/app/branches/production loses what was committed to it since 2026-11-23T06:00:00Z:`,
  )
  expect(said.stdout).toContain('at most 1 transaction that wrote, 88 KiB of log')
  expect(said.stdout).toContain('2 sessions would end')
  const json = await lakelet('reset', dev, '--dry-run', '-o', 'json')
  expect(JSON.parse(json.stdout)).toEqual(preview)
  answer('restore', { branch: dev, lsn: '0/1', lost: { since: 'then', sessions: 1 } })
  const unknown = await lakelet('restore', dev, '--to', '0/1', '--dry-run')
  expect(unknown.stdout).toContain(`Restoring ${dev} to 0/1 loses`)
  expect(unknown.stdout).toContain('nobody wrote down')
  expect(unknown.stdout).toContain('1 session would end')
})

test('a reset in a pipe asks nobody, waits, and says where the previous state is', async () => {
  server.answers.set(`GET ${api}/projects/app/snapshots`, {
    status: 200,
    body: {
      snapshots: ['1', '3', '2'].map((n) => ({
        name: `projects/app/snapshots/before-reset-${n}-dev`,
        snapshot_id: `before-reset-${n}-dev`,
        create_time: `2026-11-23T06:00:0${n}Z`,
        status: { source_branch: dev, expire_time: 'tomorrow' },
      })),
    },
  })
  const { stdout, code } = await lakelet('reset', dev)
  expect(code).toBe(0)
  expect(asked().slice(0, 2)).toEqual([`POST /${dev}/reset {}`, `GET /${dev}/operations/post`])
  expect(stdout).toContain('kept until tomorrow')
  expect(stdout).toContain(`lakelet branch restore ${dev} --to before-reset-3-dev`)
})

test('a restore names one of three things', async () => {
  const { stdout } = await lakelet('restore', dev, '--to', 'kept', '--yes', '--no-wait')
  expect(asked()).toEqual([`POST /${dev}/restore {"snapshot":"kept"}`])
  expect(JSON.parse(stdout)).toMatchObject({ done: false })
  const none = await lakelet('restore', dev)
  expect(none.code).toBe(1)
  expect(none.stderr).toContain('--to')
})

test.each([
  ['16/B374D848', { lsn: '16/B374D848' }],
  ['2026-11-23T06:00:00Z', { time: '2026-11-23T06:00:00Z' }],
  ['before-reset-20261123-060102-dev', { snapshot: 'before-reset-20261123-060102-dev' }],
  ['projects/app/snapshots/kept', { snapshot: 'projects/app/snapshots/kept' }],
])('%s is a point', (text, point) => {
  expect(readPoint(text)).toEqual(point)
})
