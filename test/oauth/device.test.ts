/** The device flow (RFC 8628): a program without a browser, and a person with one. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Answer, Browser, hiddenFields } from './browser.ts'
import { type IssuerUnderTest, ownersPassword, startIssuerUnderTest } from './issuer-under-test.ts'

let server: IssuerUnderTest

beforeAll(async () => {
  server = await startIssuerUnderTest()
})
afterAll(() => server?.dispose())
afterEach(() => {
  vi.useRealTimers()
})

async function begin(clientId = 'lakelet-cli') {
  const response = await fetch(`${server.base}/oidc/v1/device_authorization`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: clientId, scope: 'offline_access all-apis' }),
  })
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers as clients do, by field name
  return { status: response.status, body: (await response.json()) as any }
}

async function poll(deviceCode: string, clientId = 'lakelet-cli') {
  const response = await fetch(`${server.base}/oidc/v1/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: deviceCode,
      client_id: clientId,
    }),
  })
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers as clients do, by field name
  return { status: response.status, body: (await response.json()) as any }
}

/** The one time that a test waits for: the pace of polls goes by a clock that never steps. */
const pace = () => new Promise((resolve) => setTimeout(resolve, 4100))

const actionOf = (page: Answer) => /action="([^"]+)"/.exec(page.text)?.[1] ?? page.url

async function enter(browser: Browser, userCode: string, choice: Record<string, string>) {
  const page = await browser.get(`${server.base}/oidc/device`)
  const asked = await browser.post(actionOf(page), {
    ...hiddenFields(page.text),
    user_code: userCode,
  })
  if (!asked.text.includes('Connect this device?')) return asked
  const answered = await browser.follow(
    await browser.post(actionOf(asked), { ...hiddenFields(asked.text), ...choice }),
    server.base,
  )
  if (!answered.text.includes('name="password"')) return answered
  const submitted = await browser.post(answered.url, {
    ...hiddenFields(answered.text),
    login: 'owner@example.com',
    password: ownersPassword,
    do: 'sign-in',
  })
  return browser.follow(submitted, server.base)
}

describe('a device', () => {
  test('gets tokens when a person has confirmed its code', async () => {
    const { status, body } = await begin()
    expect(status).toBe(200)
    expect(body).toMatchObject({
      user_code: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/),
      verification_uri: `${server.base}/oidc/device`,
      expires_in: 600,
      interval: 5,
    })
    expect((await poll(body.device_code)).body.error).toBe('authorization_pending')
    const page = await enter(new Browser(), body.user_code.toLowerCase(), { confirm: 'yes' })
    expect(page.text).toContain('Connected')
    await pace()
    const done = await poll(body.device_code)
    expect(done.status).toBe(200)
    expect((await server.me(done.body.access_token)).body.userName).toBe('owner@example.com')
    expect(done.body.refresh_token).toEqual(expect.any(String))
    await pace()
    // Twice is once too often: what it gave ends.
    expect((await poll(done.body.device_code ?? body.device_code)).body.error).toBe('invalid_grant')
    expect((await server.me(done.body.access_token)).status).toBe(401)
  })

  test('that asks too often is told to slow down', async () => {
    const { body } = await begin()
    expect((await poll(body.device_code)).body.error).toBe('authorization_pending')
    const fast = await poll(body.device_code)
    expect(fast.status).toBe(400)
    expect(fast.body).toEqual({
      error: 'slow_down',
      error_description: expect.stringContaining('Wait 10 s'),
    })
  })

  test('that was denied hears so', async () => {
    const { body } = await begin()
    const page = await enter(new Browser(), body.user_code, { abort: 'yes' })
    expect(page.text).toContain('Not connected')
    expect((await poll(body.device_code)).body.error).toBe('access_denied')
  })

  test('that took too long hears so', async () => {
    const { body } = await begin()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 601_000 })
    expect((await poll(body.device_code)).body.error).toBe('expired_token')
    const page = await enter(new Browser(), body.user_code, { confirm: 'yes' })
    expect(page.text).toMatch(/has expired|no such code/)
  })

  test('of another client gets nothing', async () => {
    const { body } = await begin()
    expect((await poll(body.device_code, 'databricks-cli')).status).toBe(400)
    expect((await begin('nobody')).status).toBe(401)
    expect((await begin('lakelet-console')).status).toBe(400)
  })

  test('with a code that nobody made gets nothing', async () => {
    expect((await poll('x'.repeat(43))).body.error).toBe('invalid_grant')
  })
})

describe('the page', () => {
  test('fills in a code from a link, and a person still compares it', async () => {
    const { body } = await begin()
    const page = await new Browser().get(body.verification_uri_complete)
    expect(page.text).toContain(`value="${body.user_code}"`)
    expect(page.text).not.toContain('<script')
    expect(page.text).not.toContain('Connect this device?')
  })

  test('says which program asked, from where', async () => {
    const { body } = await begin()
    const browser = new Browser()
    const page = await browser.get(`${server.base}/oidc/device`)
    const asked = await browser.post(actionOf(page), {
      ...hiddenFields(page.text),
      user_code: body.user_code,
    })
    expect(asked.text).toContain('Lakelet command line')
    expect(asked.text).toContain('127.0.0.1')
    expect(asked.text).toContain(body.user_code)
  })

  test('refuses a code that is not there, one that was used, and none', async () => {
    expect((await enter(new Browser(), 'BCDF-GHJK', {})).text).toContain('There is no such code')
    expect((await enter(new Browser(), '', {})).text).toContain('Enter the code')
    const { body } = await begin()
    await enter(new Browser(), body.user_code, { abort: 'yes' })
    expect((await enter(new Browser(), body.user_code, {})).text).toMatch(/was used before/)
  })

  test('refuses a form without its token', async () => {
    const { body } = await begin()
    const browser = new Browser()
    await browser.get(`${server.base}/oidc/device`)
    const answer = await browser.post(`${server.base}/oidc/device`, {
      xsrf: 'wrong',
      user_code: body.user_code,
      confirm: 'yes',
    })
    expect(answer.text).toContain('too old')
    expect((await poll(body.device_code)).body.error).toBe('authorization_pending')
  })

  test('shows what was typed as text', async () => {
    const answer = await enter(new Browser(), '"><script>alert(1)</script>', {})
    expect(answer.text).not.toContain('<script>')
  })
})
