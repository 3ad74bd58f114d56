/** The pages of the sign-in, as a browser and as an attacker of one see them. */
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  type Answer,
  authorizeUrl,
  Browser,
  challengeOf,
  hiddenFields,
  newVerifier,
  openSignIn,
  signIn,
} from './browser.ts'
import { type IssuerUnderTest, ownersPassword, startIssuerUnderTest } from './issuer-under-test.ts'

let server: IssuerUnderTest

beforeAll(async () => {
  server = await startIssuerUnderTest()
})
afterAll(() => server?.dispose())
afterEach(async () => {
  vi.useRealTimers()
  await server.database.sql('delete from sign_in_attempts')
})

const account = { login: 'owner@example.com', password: ownersPassword }
const request = () => ({ code_challenge: challengeOf(newVerifier()) })

const laterBy = (milliseconds: number): void => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + milliseconds })
}

const submit = (
  browser: Browser,
  page: Answer,
  fields: Record<string, string>,
  headers?: Record<string, string>,
) => browser.post(page.url, { ...hiddenFields(page.text), do: 'sign-in', ...fields }, headers)

describe('every answer', () => {
  test.each([
    ['the sign-in page', async () => openSignIn(new Browser(), server.base, request())],
    [
      'a link that sets a password',
      async () =>
        new Browser().get(`${server.base}/oidc/setup/${await server.linkFor(server.owner)}`),
    ],
    ['a dead link', async () => new Browser().get(`${server.base}/oidc/setup/${'x'.repeat(43)}`)],
    ['the device page', async () => new Browser().get(`${server.base}/oidc/device`)],
    ['signing out', async () => new Browser().get(`${server.base}/oidc/v1/logout`)],
    [
      'a refusal',
      async () =>
        openSignIn(new Browser(), server.base, {
          ...request(),
          redirect_uri: 'http://evil.example',
        }),
    ],
    [
      'a sign-in that is not there',
      async () => new Browser().get(`${server.base}/oidc/sign-in/nothing`),
    ],
    [
      'metadata',
      async () => new Browser().get(`${server.base}/oidc/.well-known/openid-configuration`),
    ],
    ['what is not there', async () => new Browser().get(`${server.base}/oidc/nothing`)],
  ])('%s cannot be framed, scripted, sniffed or kept', async (_, open) => {
    const { headers } = await open()
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).toContain("base-uri 'none'")
    expect(policy).not.toContain('unsafe')
    expect(headers.get('x-frame-options')).toBe('DENY')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('cache-control')).toMatch(/no-store/)
  })

  test('pages hold no script, no address of elsewhere and one style sheet', async () => {
    const { text } = await openSignIn(new Browser(), server.base, request())
    expect(text).not.toMatch(/<script|\son\w+=|javascript:/i)
    expect(text).not.toMatch(/(?:src|href)=/)
    expect(text.match(/<style>/g)).toHaveLength(1)
  })
})

describe('the sign-in page', () => {
  test('names the program and where it listens', async () => {
    const { text, status } = await openSignIn(new Browser(), server.base, request())
    expect(status).toBe(200)
    expect(text).toContain('Databricks command line and SDKs')
    expect(text).toContain('localhost:8020')
  })

  test('fills in who is expected, as text', async () => {
    const { text } = await openSignIn(new Browser(), server.base, {
      ...request(),
      scope: 'openid all-apis',
      login_hint: '"><script>alert(1)</script>',
    })
    expect(text).not.toContain('<script>')
    expect(text).toContain('&quot;&gt;&lt;script&gt;')
  })

  test('keeps its cookies from scripts and other sites', async () => {
    const browser = new Browser()
    await signIn(browser, server.base, request(), account)
    expect(browser.setCookies.length).toBeGreaterThan(2)
    for (const line of browser.setCookies) {
      expect(line).toMatch(/httponly/i)
      expect(line).toMatch(/samesite=lax/i)
      expect(line).not.toMatch(/secure/i) // plain http on loopback
    }
  })

  test('says the same of a wrong password and of an unknown account', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    const wrong = await submit(browser, page, { ...account, password: 'wrong' })
    const unknown = await submit(browser, page, { login: 'nobody@example.com', password: 'wrong' })
    expect(wrong.status).toBe(401)
    expect(unknown.status).toBe(401)
    const plain = (text: string) => text.replace(/value="[^"]*"/g, '')
    expect(plain(unknown.text)).toBe(plain(wrong.text))
    expect(wrong.text).toContain('role="alert"')
    expect(wrong.text).not.toContain('value="wrong"')
  })

  test('takes about as long for an unknown account', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    const measure = async (login: string) => {
      const begun = performance.now()
      await submit(browser, page, { login, password: 'wrong' })
      return performance.now() - begun
    }
    await measure(account.login)
    const known = Math.min(await measure(account.login), await measure(account.login))
    const unknown = Math.min(await measure('nobody@x.example'), await measure('nobody@x.example'))
    // Without the decoy it would be a hundredth.
    expect(unknown).toBeGreaterThan(known / 3)
  })

  test('an account without a password is like one with another password', async () => {
    await server.identity('USER', 'bare@example.com')
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    expect((await submit(browser, page, { login: 'bare@example.com', password: '' })).status).toBe(
      401,
    )
    expect(
      (await submit(browser, page, { login: server.robot.loginName, password: server.robotSecret }))
        .status,
    ).toBe(401)
  })

  test('cancel leads back to the program with access_denied', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    const end = await browser.follow(await submit(browser, page, { do: 'cancel' }), server.base)
    const target = new URL(end.location ?? '')
    expect(target.origin).toBe('http://localhost:8020')
    expect(target.searchParams.get('error')).toBe('access_denied')
  })

  test('a second program needs no password in the same browser', async () => {
    const browser = new Browser()
    await signIn(browser, server.base, request(), account)
    const end = await openSignIn(browser, server.base, request())
    expect(new URL(end.location ?? '').searchParams.get('code')).not.toBeNull()
  })

  test('prompt=none asks nobody', async () => {
    const end = await openSignIn(new Browser(), server.base, { ...request(), prompt: 'none' })
    expect(new URL(end.location ?? '').searchParams.get('error')).toMatch(
      /login_required|interaction_required/,
    )
  })

  test('is over after a quarter of an hour', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    laterBy(16 * 60_000)
    const answer = await submit(browser, page, account)
    expect(answer.status).toBe(400)
    expect(answer.text).toContain('This sign-in is over')
  })

  test('refuses a huge form', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    const answer = await submit(browser, page, { ...account, more: 'x'.repeat(100_000) }).catch(
      () => undefined,
    )
    if (answer !== undefined) expect(answer.status).toBe(400)
  })
})

describe('forgery', () => {
  test.each([
    ['without its token', { token: '' }, undefined],
    ['with the token of another form', { token: 'AAAA' }, undefined],
    ['from another site', {}, { 'sec-fetch-site': 'cross-site' }],
    ['from another port of this host', {}, { 'sec-fetch-site': 'same-site' }],
  ])('a form %s is refused, and nobody is signed in', async (_, fields, headers) => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    const answer = await submit(browser, page, { ...account, ...fields }, headers)
    expect(answer.status).toBe(403)
    expect(answer.location).toBeUndefined()
    expect(
      [...browser.cookies.keys()].some(
        (name) => name.includes('session') && !name.endsWith('.sig'),
      ),
    ).toBe(false)
  })

  test('a form without the cookie of its page is refused', async () => {
    const page = await openSignIn(new Browser(), server.base, request())
    const answer = await submit(new Browser(), page, account)
    expect(answer.status).toBe(400)
    expect(answer.text).toContain('This sign-in is over')
  })

  test('a page of one browser is nothing in another', async () => {
    const page = await openSignIn(new Browser(), server.base, request())
    const other = new Browser()
    await openSignIn(other, server.base, request())
    expect((await other.get(page.url)).status).toBe(400)
  })

  test('a session that an attacker planted is not the one that is signed in', async () => {
    const browser = new Browser()
    const name = [...(await planted()).keys()].find((key) => key.includes('session')) ?? ''
    for (const [key, value] of await planted()) browser.cookies.set(key, value)
    const before = browser.cookies.get(name)?.value
    await signIn(browser, server.base, request(), account)
    const after = browser.cookies.get(name)?.value
    expect(after).toBeDefined()
    expect(after).not.toBe(before)
    // And what the attacker still holds is nobody's.
    const attacker = new Browser()
    for (const [key, value] of await planted()) attacker.cookies.set(key, value)
    const page = await openSignIn(attacker, server.base, request())
    expect(page.text).toContain('name="password"')
  })

  /** Cookies of a session without anybody in it. */
  async function planted() {
    const attacker = new Browser()
    await attacker.get(`${server.base}/oidc/device`)
    return attacker.cookies
  }

  test('a changed session cookie is no session', async () => {
    const browser = new Browser()
    await signIn(browser, server.base, request(), account)
    for (const [key, cookie] of browser.cookies) {
      if (!key.endsWith('.sig')) browser.cookies.set(key, { ...cookie, value: `${cookie.value}x` })
    }
    expect((await openSignIn(browser, server.base, request())).text).toContain('name="password"')
  })

  test('a target that is a whole address is refused', async () => {
    const { port } = new URL(server.base)
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1')
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString()
      })
      socket.on('close', () => resolve(text))
      socket.on('error', reject)
      socket.end(
        'GET http://evil.example/oidc/device HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      )
    })
    expect(answer).not.toContain('<form')
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d/)
  })

  test('headers of a proxy that is not there change nothing', async () => {
    const answer = await new Browser().get(`${server.base}/oidc/.well-known/openid-configuration`, {
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
    })
    expect(answer.text).not.toContain('evil.example')
    expect(answer.text).toContain(`"${server.base}/oidc"`)
  })
})

describe('guessing', () => {
  test('ten wrong passwords lock the account for a while, the right one included', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    for (let tries = 0; tries < 10; tries += 1) {
      expect((await submit(browser, page, { ...account, password: `no${tries}` })).status).toBe(401)
    }
    const locked = await submit(browser, page, account)
    expect(locked.status).toBe(429)
    expect(locked.text).toMatch(/Try again in 1[45] min/)
    laterBy(15 * 60_000 + 1000)
    const fresh = await signIn(new Browser(), server.base, request(), account)
    expect(fresh.location).toContain('code=')
  })

  test('thirty at once find no gap', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, at) =>
        submit(browser, page, { ...account, password: `no${at}` }),
      ),
    )
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 401)).toHaveLength(10)
    expect(statuses.filter((status) => status === 429)).toHaveLength(20)
  })

  test('accounts in other letters are the same account', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    for (let tries = 0; tries < 10; tries += 1) {
      const login = tries % 2 === 0 ? 'OWNER@example.com' : 'owner@EXAMPLE.com'
      await submit(browser, page, { login, password: 'no' })
    }
    expect((await submit(browser, page, account)).status).toBe(429)
  })

  test('a lock holds for accounts that are not there, too', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    for (let tries = 0; tries < 10; tries += 1) {
      await submit(browser, page, { login: 'ghost@example.com', password: 'no' })
    }
    expect(
      (await submit(browser, page, { login: 'ghost@example.com', password: 'no' })).status,
    ).toBe(429)
  })

  test('one address guesses fifty times, at whatever accounts', async () => {
    await server.database.sql(
      "insert into sign_in_attempts select key, 50, now() from (select encode(sha256('address:127.0.0.1'), 'base64') as raw) as x, lateral (select rtrim(translate(raw, '+/', '-_'), '=') as key) as y",
    )
    const end = await signIn(new Browser(), server.base, request(), account)
    expect(end.status).toBe(429)
  })

  test('codes of devices are guessed as seldom', async () => {
    const browser = new Browser()
    let page = await browser.get(`${server.base}/oidc/device`)
    let statuses = 0
    for (let tries = 0; tries < 51; tries += 1) {
      page = await browser.post(`${server.base}/oidc/device`, {
        ...hiddenFields(page.text),
        user_code: 'BCDF-GHJK',
      })
      statuses = page.status
      if (statuses === 429) break
    }
    expect(statuses).toBe(429)
  })

  test('what people typed cannot be read in the catalog', async () => {
    const browser = new Browser()
    const page = await openSignIn(browser, server.base, request())
    await submit(browser, page, { login: 'my-password-by-mistake', password: 'x' })
    const rows = await server.database.sql('select * from sign_in_attempts')
    expect(rows.length).toBeGreaterThan(0)
    expect(JSON.stringify(rows)).not.toContain('my-password')
  })
})

describe('signing out', () => {
  test('ends the session, after one question', async () => {
    const browser = new Browser()
    await signIn(browser, server.base, request(), account)
    const page = await browser.get(`${server.base}/oidc/v1/logout`)
    expect(page.text).toContain('Sign out?')
    // The link alone did nothing.
    expect((await openSignIn(browser, server.base, request())).location).toContain('code=')
    const again = await browser.get(`${server.base}/oidc/v1/logout`)
    const action = /action="([^"]+)"/.exec(again.text)?.[1] ?? ''
    const end = await browser.follow(
      await browser.post(action, { ...hiddenFields(again.text), logout: 'yes' }),
      server.base,
    )
    expect(end.text).toContain('Signed out')
    expect((await openSignIn(browser, server.base, request())).text).toContain('name="password"')
  })

  test('without the token of the question does nothing', async () => {
    const browser = new Browser()
    await signIn(browser, server.base, request(), account)
    const answer = await browser.post(`${server.base}/oidc/v1/logout/confirm`, { logout: 'yes' })
    expect(answer.status).toBe(400)
    expect((await openSignIn(browser, server.base, request())).location).toContain('code=')
  })

  test('does not lead elsewhere', async () => {
    const answer = await new Browser().get(
      `${server.base}/oidc/v1/logout?post_logout_redirect_uri=http://evil.example&client_id=databricks-cli`,
    )
    expect(answer.location ?? '').not.toContain('evil')
    expect(answer.text).not.toContain('evil')
  })
})

describe('sessions', () => {
  test('end twelve hours after they were last used', async () => {
    const browser = new Browser()
    await signIn(browser, server.base, request(), account)
    laterBy(12 * 3_600_000 + 60_000)
    expect((await openSignIn(browser, server.base, request())).text).toContain('name="password"')
  })

  test('end with their identity', async () => {
    const ann = await server.identity('USER', 'ann@example.com')
    await server.setPassword(ann, 'seven pails of rain')
    const browser = new Browser()
    const login = { login: 'ann@example.com', password: 'seven pails of rain' }
    expect((await signIn(browser, server.base, request(), login)).location).toContain('code=')
    await server.catalog.identities.remove(ann.uid)
    expect((await openSignIn(browser, server.base, request())).text).toContain('name="password"')
  })
})

describe('links that set a password', () => {
  const open = async (link: string, browser = new Browser()) =>
    browser.get(`${server.base}/oidc/setup/${link}`)
  const send = async (link: string, password: string, again = password) => {
    const browser = new Browser()
    const page = await open(link, browser)
    return browser.post(page.url, { ...hiddenFields(page.text), password, again })
  }

  test('work once, and looking at them uses nothing up', async () => {
    const bob = await server.identity('USER', 'bob@example.com')
    const link = await server.linkFor(bob)
    expect((await open(link)).text).toContain('bob@example.com')
    expect((await open(link)).status).toBe(200)
    const done = await send(link, 'a kettle full of wind')
    expect(done.text).toContain('Password set')
    expect((await open(link)).status).toBe(404)
    const login = { login: 'bob@example.com', password: 'a kettle full of wind' }
    expect((await signIn(new Browser(), server.base, request(), login)).location).toContain('code=')
  })

  test('sent ten times at once set one password', async () => {
    const kim = await server.identity('USER', 'kim@example.com')
    const link = await server.linkFor(kim)
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) => send(link, `a kettle full of wind ${at}`)),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(9)
  })

  test.each([
    ['short', 'elevenchars', 'at least 12'],
    ['repeated', 'ababababababab', 'repeats'],
    ['the name', 'carl@example.com', 'name'],
    ['first to be guessed', 'passwordpassword', 'guess'],
    ['endless', 'x1y2z3'.repeat(50), 'more than 256'],
  ])('refuse a password that is %s, and stay good', async (_, password, words) => {
    const carl =
      (await server.catalog.identities.byLoginName('carl@example.com')) ??
      (await server.identity('USER', 'carl@example.com'))
    const link = await server.linkFor(carl)
    const answer = await send(link, password)
    expect(answer.status).toBe(400)
    expect(answer.text).toContain(words)
    expect((await open(link)).status).toBe(200)
  })

  test('want the same password twice', async () => {
    const link = await server.linkFor(server.owner)
    expect((await send(link, 'a kettle full of wind', 'a kettle full of winds')).status).toBe(400)
  })

  test('end after a day, and when a newer one is made', async () => {
    const dora = await server.identity('USER', 'dora@example.com')
    const first = await server.linkFor(dora)
    const second = await server.linkFor(dora)
    expect((await open(first)).status).toBe(404)
    expect((await open(second)).status).toBe(200)
    laterBy(24 * 3_600_000 + 1000)
    expect((await open(second)).status).toBe(404)
  })

  test('end the sessions and tokens of whoever had the old password', async () => {
    const eve = await server.identity('USER', 'eve@example.com')
    await server.setPassword(eve, 'the old one, long enough')
    const browser = new Browser()
    await signIn(browser, server.base, request(), {
      login: 'eve@example.com',
      password: 'the old one, long enough',
    })
    await server.setPassword(eve, 'the new one, long enough')
    expect((await openSignIn(browser, server.base, request())).text).toContain('name="password"')
  })

  test('are kept as hashes', async () => {
    const link = await server.linkFor(server.owner)
    expect(JSON.stringify(await server.database.sql('select * from setup_links'))).not.toContain(
      link,
    )
    const [{ verifier }] = await server.database.sql('select verifier from passwords limit 1')
    expect(verifier).toMatch(/^scrypt\$16\$8\$2\$/)
  })

  test('are made by administrators, for users', async () => {
    const ask = async (token: string, userName: string) => {
      const response = await fetch(`${server.base}/api/lakelet/v1/setup-links`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ user_name: userName }),
      })
      // biome-ignore lint/suspicious/noExplicitAny: tests read answers as clients do
      return { status: response.status, body: (await response.json()) as any }
    }
    const good = await ask(server.ownerToken, 'owner@example.com')
    expect(good.status).toBe(200)
    expect(good.body.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/oidc\/setup\/[\w-]{43}$/)
    expect((await ask(server.ownerToken, 'nobody@example.com')).status).toBe(404)
    expect((await ask(server.ownerToken, server.robot.loginName)).status).toBe(400)
    const { body } = await fetch(`${server.base}/oidc/v1/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: server.robot.loginName,
        client_secret: server.robotSecret,
        scope: 'all-apis',
      }),
      // biome-ignore lint/suspicious/noExplicitAny: tests read answers as clients do
    }).then(async (response) => ({ body: (await response.json()) as any }))
    expect((await ask(body.access_token, 'owner@example.com')).status).toBe(403)
  })
})

test('an authorization begun by a form is not there', async () => {
  const response = await fetch(authorizeUrl(server.base, request()), { method: 'POST' })
  expect(response.status).toBe(404)
})
