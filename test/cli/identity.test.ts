import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
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
afterAll(async () => {
  await server.close()
})

const lakelet = (...args: readonly string[]) =>
  runProgram(args, { env: { DATABRICKS_HOST: server.host, DATABRICKS_TOKEN: 'dapi-test' } })

const ok = (body: unknown) => ({ status: 200, body })
const scim = '/api/2.0/preview/scim/v2'
const secrets = '/api/2.0/accounts/servicePrincipals/7/credentials/secrets'
const list = '{"access_control_list":[]}'

describe('identities, tokens and permissions in the official grammar', () => {
  test.each<[readonly string[], string, unknown]>([
    [
      ['users', 'create', '--json', '{"userName":"a@b.c"}'],
      `POST ${scim}/Users`,
      { userName: 'a@b.c' },
    ],
    [
      ['users', 'create', '--user-name', 'a@b.c', '--display-name', 'A'],
      `POST ${scim}/Users`,
      { userName: 'a@b.c', displayName: 'A' },
    ],
    [['users', 'get', '7'], `GET ${scim}/Users/7`, undefined],
    [['users', 'get', '../Me'], `GET ${scim}/Users/..%2FMe`, undefined],
    [['users', 'delete', '7'], `DELETE ${scim}/Users/7`, undefined],
    [
      ['users', 'patch', '7', '--json', '{"Operations":[]}'],
      `PATCH ${scim}/Users/7`,
      { Operations: [] },
    ],
    [
      ['groups', 'list', '--filter', 'displayName eq "x"'],
      `GET ${scim}/Groups?filter=displayName+eq+%22x%22`,
      undefined,
    ],
    [
      ['service-principals', 'create', '--display-name', 'ci'],
      `POST ${scim}/ServicePrincipals`,
      { displayName: 'ci' },
    ],
    [['service-principal-secrets', 'create', '7'], `POST ${secrets}`, {}],
    [['service-principal-secrets', 'delete', '7', 's'], `DELETE ${secrets}/s`, undefined],
    [
      ['tokens', 'create', '--comment', 'x', '--lifetime-seconds', '60'],
      'POST /api/2.0/token/create',
      { comment: 'x', lifetime_seconds: 60 },
    ],
    [['tokens', 'list'], 'GET /api/2.0/token/list', undefined],
    [['tokens', 'delete', 't1'], 'POST /api/2.0/token/delete', { token_id: 't1' }],
    [
      ['token-management', 'create-obo-token', 'app', '--comment', 'x'],
      'POST /api/2.0/token-management/on-behalf-of/tokens',
      { application_id: 'app', comment: 'x' },
    ],
    [
      ['permissions', 'get', 'database-projects', 'app'],
      'GET /api/2.0/permissions/database-projects/app',
      undefined,
    ],
    [
      ['permissions', 'set', 'database-projects', 'app', '--json', list],
      'PUT /api/2.0/permissions/database-projects/app',
      { access_control_list: [] },
    ],
    [
      ['permissions', 'update', 'database-projects', 'app', '--json', list],
      'PATCH /api/2.0/permissions/database-projects/app',
      { access_control_list: [] },
    ],
  ])('%j', async (args, line, body) => {
    const path = line.split('?')[0] ?? line
    server.answers.set(path, ok({ Resources: [{ id: '1' }], token_infos: [] }))
    const { code, stderr } = await lakelet(...args)
    expect([code, stderr]).toEqual([0, ''])
    expect(server.asked.map((asked) => asked.line)).toEqual([line])
    const sent = server.asked[0]?.body
    expect(sent === undefined || sent === '' ? undefined : JSON.parse(sent)).toEqual(body)
  })

  test('lists print their items, deletions nothing', async () => {
    server.answers.set(`GET ${scim}/Users`, ok({ totalResults: 1, Resources: [{ id: '1' }] }))
    expect(JSON.parse((await lakelet('users', 'list')).stdout)).toEqual([{ id: '1' }])
    server.answers.set(`GET ${scim}/Groups`, ok({ totalResults: 0 }))
    expect(JSON.parse((await lakelet('groups', 'list')).stdout)).toEqual([])
    server.answers.set('POST /api/2.0/token/delete', ok({}))
    expect(await lakelet('tokens', 'delete', 't1')).toMatchObject({ code: 0, stdout: '' })
  })

  test.each([
    [['permissions', 'set', 'database-projects', 'app'], '--json is missing'],
    [['tokens', 'create', '--lifetime-seconds', 'soon'], 'not a whole number'],
    [['users', 'get', ''], 'ID is empty'],
    [['users', 'get'], 'missing required argument'],
    [['users', 'create', '--json', '{'], 'not valid JSON'],
  ])('%j is refused before anything is sent', async (args, saying) => {
    const { code, stderr } = await lakelet(...args)
    expect([code, stderr]).toEqual([1, expect.stringContaining(saying)])
    expect(server.asked).toEqual([])
  })
})
