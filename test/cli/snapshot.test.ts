/** `lakelet snapshot …` and `lakelet branch upgrade`: short names become requests of the API. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type ContractServer, startContractServer } from './contract-server.ts'
import { buildProgram, runProgram } from './program.ts'

let server: ContractServer
beforeAll(async () => {
  buildProgram()
  server = await startContractServer()
})
afterEach(() => {
  server.asked.length = 0
  server.answers.clear()
})
afterAll(() => server.close())

const lakelet = (...args: readonly string[]) =>
  runProgram(args, {
    cwd: '/',
    env: { DATABRICKS_HOST: server.host, DATABRICKS_TOKEN: 'dapi-test' },
    timeout: 60_000,
  })
const lines = () => server.asked.map(({ line }) => line.replace('/api/2.0/postgres/', ''))
const bodies = () => server.asked.flatMap(({ body }) => (body === '' ? [] : [JSON.parse(body)]))

test('a snapshot is taken of a branch, for a while or to stay', async () => {
  await lakelet('snapshot', 'create', 'app/production', 'before', '--ttl', '7d', '--no-wait')
  await lakelet('snapshot', 'create', 'projects/app/branches/dev', 'kept', '--no-wait')
  expect(lines()).toEqual([
    'POST projects/app/snapshots?snapshot_id=before',
    'POST projects/app/snapshots?snapshot_id=kept',
  ])
  expect(bodies()).toEqual([
    { spec: { source_branch: 'projects/app/branches/production', ttl: '604800s' } },
    { spec: { source_branch: 'projects/app/branches/dev', no_expiry: true } },
  ])
})

test('snapshots are listed, for people and as JSON', async () => {
  const { stdout, code } = await lakelet('snapshot', 'list', 'app')
  expect(code).toBe(0)
  expect(stdout.split('\n')[0]).toMatch(/^projects\/app\/snapshots\/item-1 +- .*stays$/)
  const json = JSON.parse((await lakelet('snapshot', 'list', 'projects/app', '-o', 'json')).stdout)
  expect(json).toHaveLength(5)
})

test('a snapshot is deleted, and branched from', async () => {
  await lakelet('snapshot', 'delete', 'app/before', '--no-wait')
  await lakelet('snapshot', 'branch', 'app/before', 'again', '--ttl', '6h', '--no-wait')
  expect(lines()).toEqual([
    'DELETE projects/app/snapshots/before',
    'POST projects/app/branches?branch_id=again',
  ])
  expect(bodies()).toEqual([
    { spec: { source_snapshot: 'projects/app/snapshots/before', ttl: '21600s' } },
  ])
})

test('names that are none are refused before anything is asked', async () => {
  const wrong = await lakelet('snapshot', 'delete', 'a/b/c')
  expect(wrong.stderr).toContain('"a/b/c" names no snapshot')
  const both = await lakelet('snapshot', 'branch', 'app/x', 'y', '--ttl', '1h', '--no-expiry')
  expect(both.stderr).toContain('--ttl and --no-expiry exclude each other')
  const major = await lakelet('branch', 'upgrade', 'app/production', '--to', 'latest')
  expect(major.stderr).toContain('--to: latest is no Postgres major')
  expect([wrong.code, both.code, major.code]).toEqual([1, 1, 1])
  expect(lines()).toEqual([])
})

test('an upgrade names its new branch after the major', async () => {
  await lakelet('branch', 'upgrade', 'app/production', '--to', '18', '--no-expiry', '--no-wait')
  expect(lines()).toEqual(['POST projects/app/branches/production/upgrade?branch_id=production-18'])
  expect(bodies()).toEqual([{ spec: { pg_version: 18, no_expiry: true } }])
})
