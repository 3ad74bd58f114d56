import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ContractServer, startContractServer } from './contract-server.ts'
import { buildProgram, runProgram } from './program.ts'

let server: ContractServer
let directory: string

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

/** `lakelet postgres …` against the contract server. */
const lakelet = (args: readonly string[], stdin?: string) =>
  runProgram(['postgres', ...args], {
    cwd: directory,
    env: { DATABRICKS_HOST: server.host, DATABRICKS_TOKEN: 'dapi-test' },
    ...(stdin === undefined ? {} : { stdin }),
  })
const lines = () => server.asked.map(({ line }) => line.replace('/api/2.0/postgres', ''))

describe('roles and databases', () => {
  const dev = 'projects/app/branches/dev'

  test('are created with an id, or leave it to the server', async () => {
    const body = '{"spec": {"postgres_role": "app"}}'
    await lakelet(['create-role', dev, '--role-id', 'app', '--json', body])
    await lakelet(['create-role', dev, '--json', body, '--replace-existing', '--no-wait'])
    await lakelet(['create-database', dev, '--database-id=shop', '--json', '{}', '--no-wait'])
    expect(lines()).toEqual([
      `POST /${dev}/roles?role_id=app`,
      `GET /${dev}/roles/app/operations/post`,
      `POST /${dev}/roles?replace_existing=true`,
      `POST /${dev}/databases?database_id=shop`,
    ])
    expect(server.asked[0]?.body).toBe(body)
  })

  test('are shown, listed, changed and deleted by their names', async () => {
    await lakelet(['get-role', `${dev}/roles/app`])
    await lakelet(['list-databases', dev, '--limit=1'])
    const spec = '{"spec": {"role": "x"}}'
    await lakelet([
      'update-database',
      `${dev}/databases/shop`,
      'spec.role',
      '--json',
      spec,
      '--no-wait',
    ])
    const heir = `${dev}/roles/heir`
    await lakelet(['delete-role', `${dev}/roles/app`, '--reassign-owned-to', heir, '--no-wait'])
    await lakelet(['delete-database', `${dev}/databases/shop`, '--no-wait'])
    expect(lines().map(decodeURIComponent)).toEqual([
      `GET /${dev}/roles/app`,
      `GET /${dev}/databases?page_size=1`,
      `PATCH /${dev}/databases/shop?update_mask=spec.role`,
      `DELETE /${dev}/roles/app?reassign_owned_to=${heir}`,
      `DELETE /${dev}/databases/shop`,
    ])
  })

  test('a new password is asked for by a verb of our own', async () => {
    await lakelet(['renew-role-password', `${dev}/roles/app`])
    expect(lines()).toEqual([`POST /${dev}/roles/app/renew-password`])
    const { code, stderr } = await lakelet(['renew-role-password', dev])
    expect([code, stderr]).toEqual([1, expect.stringContaining('/roles/ROLE')])
  })
})

describe('create-branch', () => {
  test('a body of another time reaches the server as it was typed', async () => {
    const body = '{"spec": {"source_branch_id": "production",  "ttl": {"seconds": 21600}}}'
    const ended = await lakelet(['create-branch', 'projects/app', 'dev', '--json', body])
    expect(ended).toEqual({
      code: 0,
      stdout: '{\n  "name": "projects/app/branches/dev"\n}\n',
      stderr: '',
    })
    expect(server.asked[0]).toMatchObject({ body, authorization: 'Bearer dapi-test' })
    expect(lines()).toEqual([
      'POST /projects/app/branches?branch_id=dev',
      'GET /projects/app/branches/dev/operations/post',
    ])
  })

  test.each([
    [['--ttl', '6h'], { spec: { ttl: '21600s' } }],
    [['--ttl=604800s'], { spec: { ttl: '604800s' } }],
    [['--ttl', '3w'], { spec: { ttl: '1814400s' } }],
    [['--no-expiry'], { spec: { no_expiry: true } }],
    [['--no-expiry=true'], { spec: { no_expiry: true } }],
    [
      ['--ttl', '7d', '--json', '{"spec": {"is_protected": false}, "name": "x"}'],
      { spec: { is_protected: false, ttl: '604800s' }, name: 'x' },
    ],
  ])('%j fills the body', async (flags, body) => {
    expect((await lakelet(['create-branch', 'projects/app', 'dev', ...flags])).code).toBe(0)
    expect(JSON.parse(server.asked[0]?.body ?? '')).toEqual(body)
  })

  test('the body may be in a file or on standard input', async () => {
    await writeFile(join(directory, 'branch.json'), '{"spec": {"no_expiry": true}}\n')
    await lakelet(['create-branch', 'projects/app', 'a', '--json', '@branch.json'])
    await lakelet(['create-branch', 'projects/app', 'b', '--json=@-'], '{"spec": {}}')
    const bodies = server.asked.filter(({ body }) => body !== '').map(({ body }) => body)
    expect(bodies).toEqual(['{"spec": {"no_expiry": true}}\n', '{"spec": {}}'])
  })

  test('--no-wait prints the operation', async () => {
    const { stdout } = await lakelet(['create-branch', 'projects/app', 'dev', '--no-wait'])
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'projects/app/branches/dev/operations/post',
      done: false,
    })
    expect(server.asked).toHaveLength(1)
  })

  test.each([
    [['--json', '{"spec": {ttl: "1h"}}'], 'line 1, column 11 (position 10)'],
    [['--json', "{'spec': 1}"], 'unexpected "\'" at line 1, column 2'],
    [['--json', '{"spec": {'], 'it ends too early at line 1, column 11'],
    [['--json', '@none.json'], 'none.json cannot be read (ENOENT)'],
    [['--ttl', 'soon'], '--ttl: "soon" is not a length of time'],
    [['--ttl', '1h', '--no-expiry'], 'exclude each other'],
    [['--ttl', '1h', '--json', '[]'], 'must be a JSON object'],
    [['--tl', '1h'], '(Did you mean --ttl?)'],
  ])('%j is refused before anything is sent', async (flags, reason) => {
    const ended = await lakelet(['create-branch', 'projects/app', 'dev', ...flags])
    expect(ended.code).toBe(1)
    expect(ended.stdout).toBe('')
    expect(ended.stderr).toMatch(/^Error: /)
    expect(ended.stderr).toContain(reason)
    expect(server.asked).toEqual([])
  })
})

describe('the verbs', () => {
  const branch = 'projects/app/branches/dev'
  test.each([
    [['create-project', 'app'], 'POST /projects?project_id=app', '{}'],
    [['get-project', 'projects/app'], 'GET /projects/app', ''],
    [
      ['update-branch', branch, 'spec.expiration,spec.is_protected', '--json', '{"spec":{}}'],
      `PATCH /${branch}?update_mask=spec.expiration%2Cspec.is_protected`,
      '{"spec":{}}',
    ],
    [['undelete-project', 'projects/app'], 'POST /projects/app/undelete', '{}'],
    [['undelete-branch', branch], `POST /${branch}/undelete`, '{}'],
    [
      ['create-endpoint', branch, 'ro', '--replace-existing', '--name', 'n'],
      `POST /${branch}/endpoints?endpoint_id=ro&replace_existing=true`,
      '{"name":"n"}',
    ],
    [['get-endpoint', `${branch}/endpoints/primary`], `GET /${branch}/endpoints/primary`, ''],
    [['get-operation', `${branch}/operations/a/b`], `GET /${branch}/operations/a/b`, ''],
    [
      ['generate-database-credential', `${branch}/endpoints/primary`, '--ttl', '15m'],
      'POST /credentials',
      `{"endpoint":"${branch}/endpoints/primary","ttl":"900s"}`,
    ],
    [
      ['generate-database-credential', '--json', '{"endpoint": "e", "claims": []}'],
      'POST /credentials',
      '{"endpoint": "e", "claims": []}',
    ],
  ])('%j', async (args, line, body) => {
    const ended = await lakelet(args)
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(Object.keys(JSON.parse(ended.stdout) as object).length).toBeGreaterThan(0)
    expect(lines()[0]).toBe(line)
    expect(server.asked[0]?.body).toBe(body)
  })

  test('a delete prints nothing', async () => {
    const ended = await lakelet(['delete-branch', branch, '--purge'])
    expect(ended).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(lines()).toEqual([`DELETE /${branch}?purge=true`, `GET /${branch}/operations/delete`])
  })

  test('a name of another kind is not sent', async () => {
    const ended = await lakelet(['delete-project', branch])
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('Hint: It looks like projects/PROJECT.')
    expect(server.asked).toEqual([])
  })
})

describe('lists', () => {
  test('are arrays of all pages', async () => {
    const { stdout } = await lakelet([
      'list-branches',
      'projects/app',
      '-o',
      'json',
      '--show-deleted',
    ])
    expect(JSON.parse(stdout)).toHaveLength(5)
    expect(lines()).toEqual([
      'GET /projects/app/branches?show_deleted=true',
      'GET /projects/app/branches?page_token=2&show_deleted=true',
      'GET /projects/app/branches?page_token=4&show_deleted=true',
    ])
  })

  test('end at the limit, and begin where they are told', async () => {
    const args = ['list-projects', '--limit', '3', '--page-size', '50', '--page-token', '1']
    const { stdout } = await lakelet(args)
    expect(JSON.parse(stdout)).toEqual([2, 3, 4].map((n) => ({ name: `projects/item-${n}` })))
    expect(lines()[0]).toBe('GET /projects?page_size=3&page_token=1')
    expect(server.asked).toHaveLength(2)
  })

  test('an empty one is an empty array', async () => {
    server.answers.set('GET /api/2.0/postgres/projects', { status: 200, body: {} })
    expect((await lakelet(['list-projects'])).stdout).toBe('[]\n')
  })
})

describe('a refusal', () => {
  const message = 'branch id not found [TraceId: 1f]'
  const hint = 'List the branches of the project.'

  test('is said in the lines that scripts look for, and with what to do', async () => {
    const path = '/api/2.0/postgres/projects/app/branches/none'
    server.answers.set(`GET ${path}`, {
      status: 404,
      body: {
        error_code: 'NOT_FOUND',
        message,
        details: [{ '@type': 'type.googleapis.com/google.rpc.LocalizedMessage', message: hint }],
      },
    })
    const ended = await lakelet(['get-branch', 'projects/app/branches/none'])
    expect(ended.code).toBe(1)
    expect(ended.stdout).toBe('')
    expect(ended.stderr.split('\n')).toEqual([
      `Error: ${message} (404 NOT_FOUND)`,
      '',
      `Endpoint: GET ${server.host}${path}`,
      'HTTP Status: 404 Not Found',
      'API error_code: NOT_FOUND',
      `API message: ${message}`,
      `Hint: ${hint}`,
      '',
    ])
  })

  test('that comes later is said as well', async () => {
    const name = 'projects/app/branches/dev/operations/post'
    const error = { error_code: 'ABORTED', message: 'lost the race', details: [] }
    server.answers.set(`GET /api/2.0/postgres/${name}`, {
      status: 200,
      body: { name, done: true, error },
    })
    const ended = await lakelet(['create-branch', 'projects/app', 'dev'])
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toBe('Error: operation failed: [ABORTED] lost the race\n')
  })

  test('waiting ends by --timeout', async () => {
    const name = 'projects/app/branches/dev/operations/post'
    server.answers.set(`GET /api/2.0/postgres/${name}`, {
      status: 200,
      body: { name, done: false },
    })
    const ended = await lakelet(['create-branch', 'projects/app', 'dev', '--timeout', '200ms'])
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('not done after 200ms')
    expect(ended.stderr).toContain(`lakelet postgres get-operation ${name}`)
  })
})

describe('snapshots', () => {
  test('create-snapshot fills its body from flags', async () => {
    const source = 'projects/app/branches/production'
    const ended = await lakelet([
      ...['create-snapshot', 'projects/app', 'one', '--source-branch', source, '--ttl', '7d'],
    ])
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(server.asked[0]?.body ?? '')).toEqual({
      spec: { source_branch: source, ttl: '604800s' },
    })
    expect(lines()).toEqual([
      'POST /projects/app/snapshots?snapshot_id=one',
      'GET /projects/app/snapshots/one/operations/post',
    ])
  })

  test('are listed, shown and deleted; never updated', async () => {
    await lakelet(['list-snapshots', 'projects/app', '--limit', '1'])
    await lakelet(['get-snapshot', 'projects/app/snapshots/one'])
    await lakelet(['delete-snapshot', 'projects/app/snapshots/one', '--no-wait'])
    expect(lines()).toEqual([
      'GET /projects/app/snapshots?page_size=1',
      'GET /projects/app/snapshots/one',
      'DELETE /projects/app/snapshots/one',
    ])
    expect((await lakelet(['update-snapshot', 'x', 'spec'])).code).toBe(1)
    expect((await lakelet(['delete-snapshot', 'projects/app/branches/one'])).code).toBe(1)
  })

  test('have a schedule that is set at once', async () => {
    const name = 'projects/app/branches/production/snapshot-schedule'
    const body = '{"schedule": []}'
    await lakelet(['get-snapshot-schedule', name])
    const ended = await lakelet(['update-snapshot-schedule', name, 'schedule', '--json', body])
    expect(ended.code).toBe(0)
    expect(lines()).toEqual([
      `GET /${name}`,
      `PATCH /${name}?update_mask=schedule`,
      `GET /${name}/operations/patch`,
    ])
    expect(server.asked[1]?.body).toBe(body)
  })
})
