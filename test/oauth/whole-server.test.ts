/** Signing in against the whole server: its first start, the command line, and the Python SDK. */
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../../src/lib/subprocess.ts'
import { minutes } from '../../src/lib/time.ts'
import { buildProgram, program, runProgram } from '../cli/program.ts'
import { eventually, TestServer } from '../fixtures/server.ts'
import { Browser, hiddenFields } from './browser.ts'
import { chromiumOptions } from './scripted-browser.mjs'

const password = 'three otters under the pier'

let server: TestServer
let home: string
let login: string

beforeAll(async () => {
  buildProgram()
  home = mkdtempSync(join(tmpdir(), 'lk-home-'))
  server = await TestServer.start({ storage: 'copy' })
  login = (await server.api('GET', '/api/2.0/preview/scim/v2/Me')).body.userName
}, 180_000)
afterAll(async () => {
  await server?.dispose()
  rmSync(home, { recursive: true, force: true })
})

const environment = (more: Record<string, string> = {}) => ({
  HOME: home,
  LAKELET_STATE_DIR: join(home, 'no-server-here'),
  ...more,
})
const lakelet = (args: readonly string[], env: Record<string, string> = {}) =>
  runProgram(args, { env: environment(env) })

const linkIn = (text: string) => /http:\/\/\S+\/oidc\/setup\/[\w-]+/.exec(text)?.[0]

async function choosePassword(link: string, chosen: string): Promise<string> {
  const browser = new Browser()
  const page = await browser.get(link)
  const fields = { ...hiddenFields(page.text), password: chosen, again: chosen }
  return (await browser.post(page.url, fields)).text
}

/** `lakelet auth login` in the background; what it says, and its end. */
function startLogin(args: readonly string[]) {
  const child = spawn(process.execPath, [program, 'auth', 'login', ...args], {
    env: { PATH: process.env.PATH ?? '', ...environment() },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = new Promise<number | null>((done) => child.once('close', done))
  return { said: () => said, ended }
}

async function fillIn(browser: Browser, address: string): Promise<string> {
  const page = await browser.follow(await browser.get(address), server.apiUrl)
  const fields = { ...hiddenFields(page.text), login, password, do: 'sign-in' }
  const end = await browser.follow(await browser.post(page.url, fields), server.apiUrl)
  return end.location ?? end.text
}

describe('the first start', () => {
  test('shows a link with which the owner sets a password, and no later one does', async () => {
    const link = linkIn(server.output) ?? ''
    expect(link).toContain(server.apiUrl)
    expect(server.log).not.toContain(link.split('/').at(-1))
    expect(await choosePassword(link, password)).toContain('Password set')
    expect(server.log).not.toContain(link.split('/').at(-1))
    await server.stop()
    await server.launch()
    expect(linkIn(server.output)).toBeUndefined()
  })
})

describe('lakelet auth', () => {
  test('login opens the way to a browser and knows who came back', async () => {
    const login1 = startLogin(['--host', server.apiUrl, '--profile', 'dev'])
    await eventually('the address is shown', () => /http\S+authorize\S+/.test(login1.said()))
    const address = /http\S+authorize\S+/.exec(login1.said())?.[0] ?? ''
    const back = await fillIn(new Browser(), address)
    expect(back).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback\?code=/)
    expect((await fetch(back)).status).toBe(200)
    expect(await login1.ended).toBe(0)
    expect(login1.said()).toContain(`as ${login}`)
    const cache = join(home, '.cache/lakelet/tokens.json')
    expect(statSync(cache).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(home, '.databrickscfg'), 'utf8')).toMatch(
      /^\[dev\]\nhost = http:\/\/127\.0\.0\.1:\d+\nworkspace_id = \d{16}\nauth_type = databricks-cli\n$/,
    )
  })

  test('every command then works with the profile, or with the host alone', async () => {
    const byProfile = await lakelet(['-p', 'dev', 'current-user', 'me'])
    expect(JSON.parse(byProfile.stdout).userName).toBe(login)
    const byHost = await lakelet(['current-user', 'me'], { DATABRICKS_HOST: server.apiUrl })
    expect(JSON.parse(byHost.stdout).userName).toBe(login)
  })

  test('describe and profiles say who and whether', async () => {
    const described = await lakelet(['-p', 'dev', 'auth', 'describe', '-o', 'json'])
    expect(JSON.parse(described.stdout)).toMatchObject({
      status: 'success',
      username: login,
      details: { host: server.apiUrl, auth_type: 'databricks-cli' },
    })
    const profiles = await lakelet(['auth', 'profiles', '-o', 'json'])
    expect(JSON.parse(profiles.stdout)).toEqual({
      profiles: [{ name: 'dev', host: server.apiUrl, auth_type: 'databricks-cli', valid: true }],
    })
  })

  test('token prints what other programs read', async () => {
    const { stdout } = await lakelet(['-p', 'dev', 'auth', 'token'])
    const token = JSON.parse(stdout)
    expect(token).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expiry: expect.stringMatching(/^20\d\d-.*Z$/),
    })
    const me = await server.api('GET', '/api/2.0/preview/scim/v2/Me', undefined, {
      token: token.access_token,
    })
    expect(me.status).toBe(200)
  })

  test('an access token is no password of Postgres', async () => {
    const { stdout } = await lakelet(['-p', 'dev', 'auth', 'token'])
    const { access_token: credential } = JSON.parse(stdout)
    await expect(
      server.connect('projects/store/branches/production', { credential }),
    ).rejects.toThrow(/password authentication failed|not authorized/i)
  })

  test('eight commands at once refresh once, and all of them work', async () => {
    const cache = join(home, '.cache/lakelet/tokens.json')
    const kept = JSON.parse(readFileSync(cache, 'utf8'))
    const before = kept.hosts[server.apiUrl].refresh_token
    kept.hosts[server.apiUrl].expire_time = new Date(Date.now() - 1000).toISOString()
    writeFileSync(cache, JSON.stringify(kept))
    const ended = await Promise.all(
      Array.from({ length: 8 }, () => lakelet(['-p', 'dev', 'current-user', 'me'])),
    )
    expect(ended.map(({ code }) => code)).toEqual(Array(8).fill(0))
    const after = JSON.parse(readFileSync(cache, 'utf8')).hosts[server.apiUrl].refresh_token
    expect(after).not.toBe(before)
    expect(existsSync(`${cache}.lock`)).toBe(false)
  })

  test('tokens outlive a restart of the server', async () => {
    await server.stop()
    await server.launch()
    expect((await lakelet(['-p', 'dev', 'current-user', 'me'])).code).toBe(0)
  })

  test('logout ends the sign-in here and there', async () => {
    const { stdout } = await lakelet(['-p', 'dev', 'auth', 'token'])
    const { access_token: token } = JSON.parse(stdout)
    expect((await lakelet(['-p', 'dev', 'auth', 'logout'])).code).toBe(0)
    const me = await server.api('GET', '/api/2.0/preview/scim/v2/Me', undefined, { token })
    expect(me.status).toBe(401)
    const { code, stderr } = await lakelet(['-p', 'dev', 'current-user', 'me'])
    expect(code).toBe(1)
    expect(stderr).toContain(`lakelet auth login --host ${server.apiUrl}`)
  })

  test('a sign-in that ended on the server says how to get another', async () => {
    const cache = join(home, '.cache/lakelet/tokens.json')
    const expire_time = new Date(0).toISOString()
    const entry = { access_token: 'x', refresh_token: 'y', expire_time }
    writeFileSync(cache, JSON.stringify({ version: 1, hosts: { [server.apiUrl]: entry } }))
    const { code, stderr } = await lakelet(['-p', 'dev', 'current-user', 'me'])
    expect(code).toBe(1)
    expect(stderr).toContain('the sign-in has ended')
    expect(stderr).toContain('lakelet auth login')
  })

  test('login --device shows a code for a browser elsewhere', async () => {
    const login1 = startLogin(['--host', server.apiUrl, '--profile', 'far', '--device'])
    await eventually('the code is shown', () => /[B-Z]{4}-[B-Z]{4}/.test(login1.said()))
    const code = /[B-Z]{4}-[B-Z]{4}/.exec(login1.said())?.[0] ?? ''
    const browser = new Browser()
    const device = `${server.apiUrl}/oidc/device`
    const page = await browser.get(device)
    const asked = await browser.post(device, { ...hiddenFields(page.text), user_code: code })
    const confirmed = await browser.post(device, { ...hiddenFields(asked.text), confirm: 'yes' })
    const form = await browser.follow(confirmed, server.apiUrl)
    const fields = { ...hiddenFields(form.text), login, password, do: 'sign-in' }
    const done = await browser.follow(await browser.post(form.url, fields), server.apiUrl)
    expect(done.text).toContain('Connected')
    expect(await login1.ended).toBe(0)
    expect((await lakelet(['-p', 'far', 'current-user', 'me'])).code).toBe(0)
  })

  test('setup-link is for administrators, and replaces a password', async () => {
    await server.api('POST', '/api/2.0/preview/scim/v2/Users', { userName: 'new@example.com' })
    const made = await lakelet(['-p', 'far', 'setup-link', 'new@example.com'])
    expect(made.code).toBe(0)
    expect(await choosePassword(made.stdout.trim(), 'a wholly new password')).toContain(
      'Password set',
    )
    const token = await server.identity('someone@example.com', undefined)
    const refused = await lakelet(['setup-link', login], {
      DATABRICKS_HOST: server.apiUrl,
      DATABRICKS_TOKEN: token,
    })
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('PERMISSION_DENIED')
  })

  test('another machine is not sent a password without TLS', async () => {
    const { code, stderr } = await lakelet([
      'auth',
      'login',
      '--host',
      'http://db.example.com:7430',
    ])
    expect(code).toBe(1)
    expect(stderr).toContain('TLS')
  })
})

const isFree = (port: number) =>
  new Promise<boolean>((done) => {
    const probe = createServer()
    probe.once('error', () => done(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)))
  })

describe('the Python SDK', () => {
  const packages = ['databricks-sdk==0.156.0']
  const directory = resolve(import.meta.dirname, '../../.venv/oauth-databricks-sdk-0.156.0')
  const python = join(directory, 'bin/python')
  beforeAll(async () => {
    if (existsSync(join(directory, 'ready'))) return
    rmSync(directory, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', directory])
    await run(
      join(directory, 'bin/pip'),
      ['install', '--quiet', '--disable-pip-version-check', ...packages],
      { patience: minutes(5) },
    )
    writeFileSync(join(directory, 'ready'), '')
  }, 330_000)

  const script = `
from databricks.sdk import WorkspaceClient
w = WorkspaceClient()
print(w.current_user.me().user_name)
print(sorted(p.name for p in w.postgres.list_projects()))
`
  const runPython = (env: Record<string, string>) =>
    new Promise<string>((done, fail) => {
      execFile(
        python,
        ['-c', script],
        { env: { PATH: process.env.PATH ?? '', HOME: home, ...env }, timeout: 120_000 },
        (error, stdout, stderr) =>
          error === null ? done(stdout) : fail(new Error(`${stdout}${stderr}`)),
      )
    })

  async function robot() {
    const { body } = await server.api('POST', '/api/2.0/preview/scim/v2/ServicePrincipals', {
      displayName: 'robot',
    })
    const path = `/api/2.0/accounts/servicePrincipals/${body.id}/credentials/secrets`
    const secret = (await server.api('POST', path, {})).body.secret as string
    return { id: body.applicationId as string, secret }
  }

  test('machine to machine', async () => {
    const { id, secret } = await robot()
    const output = await runPython({
      DATABRICKS_HOST: server.apiUrl,
      DATABRICKS_CLIENT_ID: id,
      DATABRICKS_CLIENT_SECRET: secret,
    })
    expect(output).toContain(id)
    await expect(
      runPython({
        DATABRICKS_HOST: server.apiUrl,
        DATABRICKS_CLIENT_ID: id,
        DATABRICKS_CLIENT_SECRET: `${secret}x`,
      }),
    ).rejects.toThrow(/invalid_client/)
  })

  test('our own command line, machine to machine', async () => {
    const { id, secret } = await robot()
    const { stdout } = await lakelet(['current-user', 'me'], {
      DATABRICKS_HOST: server.apiUrl,
      DATABRICKS_CLIENT_ID: id,
      DATABRICKS_CLIENT_SECRET: secret,
    })
    expect(JSON.parse(stdout).userName).toBe(id)
  })

  const hasChromium = existsSync(chromiumOptions.executablePath)
  test.skipIf(!hasChromium)(
    'a person, through a browser that signs in by itself',
    async () => {
      // The SDK listens there and nowhere else.
      await eventually('port 8020 is free', () => isFree(8020), 60_000)
      const scripted = resolve(import.meta.dirname, 'scripted-browser.mjs')
      const output = await runPython({
        DATABRICKS_HOST: server.apiUrl,
        DATABRICKS_AUTH_TYPE: 'external-browser',
        BROWSER: `${process.execPath} ${scripted} %s &`,
        SIGN_IN_LOGIN: login,
        SIGN_IN_PASSWORD: password,
      })
      expect(output).toContain(login)
      expect(output).toContain("['projects/store']")
      // The second time its own cache has a refresh token; no browser is there.
      const again = await runPython({
        DATABRICKS_HOST: server.apiUrl,
        DATABRICKS_AUTH_TYPE: 'external-browser',
        BROWSER: '/bin/false',
      })
      expect(again).toContain(login)
    },
    120_000,
  )

  test('the audit log tells of all this, and holds no secret', async () => {
    const { stdout } = await lakelet(['audit', '-o', 'json'], {
      DATABRICKS_HOST: server.apiUrl,
      DATABRICKS_TOKEN: server.token,
    })
    for (const action of ['create-setup-link', 'set-password', 'sign-in', 'issue-access-token']) {
      expect(stdout).toContain(`"${action}"`)
    }
    expect(stdout).not.toContain(password)
  })
})
