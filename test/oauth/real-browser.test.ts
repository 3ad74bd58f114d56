/** The sign-in pages in a real browser: they work without scripts, and for everybody. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type Browser as Chromium, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listenOnLoopback } from '../../src/cli/loopback-listener.ts'
import { seconds } from '../../src/lib/time.ts'
import { authorizeUrl, challengeOf, newVerifier } from './browser.ts'
import { type IssuerUnderTest, ownersPassword, startIssuerUnderTest } from './issuer-under-test.ts'
import { chromiumOptions } from './scripted-browser.mjs'

const isHere = existsSync(chromiumOptions.executablePath)
if (!isHere && process.env.CI !== undefined) throw new Error('CI needs chromium')

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

describe.skipIf(!isHere)('in chromium', () => {
  let server: IssuerUnderTest
  let chrome: Chromium
  beforeAll(async () => {
    server = await startIssuerUnderTest()
    chrome = await chromium.launch(chromiumOptions)
  })
  afterAll(async () => {
    await chrome?.close()
    await server?.dispose()
  })

  const request = () =>
    authorizeUrl(server.base, {
      code_challenge: challengeOf(newVerifier()),
      redirect_uri: 'http://localhost:8033',
    })

  async function open(colorScheme: 'light' | 'dark' = 'light'): Promise<Page> {
    // The policy of the pages allows no script; axe has to come in by another door.
    const context = await chrome.newContext({
      colorScheme,
      bypassCSP: true,
      viewport: { width: 1000, height: 800 },
    })
    return context.newPage()
  }

  async function violations(page: Page): Promise<unknown> {
    await page.addScriptTag({ content: axe })
    return page.evaluate(async () => {
      // biome-ignore lint/suspicious/noExplicitAny: a global of the page
      const found = await (globalThis as any).axe.run({
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'],
      })
      return found.violations.map(({ id, nodes }: { id: string; nodes: { html: string }[] }) => ({
        id,
        nodes: nodes.map(({ html }) => html),
      }))
    })
  }

  test.each(['light', 'dark'] as const)('every page is accessible, %s', async (scheme) => {
    const page = await open(scheme)
    await page.goto(request())
    expect(await page.title()).toBe('Sign in · Lakelet')
    expect(await violations(page)).toEqual([])

    await page.getByLabel('E-mail').fill('nobody@example.com')
    await page.getByLabel('Password').fill('wrong')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    expect(await violations(page)).toEqual([])

    await page.goto(`${server.base}/oidc/setup/${await server.linkFor(server.owner)}`)
    expect(await violations(page)).toEqual([])

    const asked = await fetch(`${server.base}/oidc/v1/device_authorization`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'lakelet-cli', scope: 'all-apis' }),
    })
    const { verification_uri_complete: link } = (await asked.json()) as Record<string, string>
    await page.goto(link ?? '')
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('heading', { name: 'Connect this device?' }).waitFor()
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Do not connect' }).click()
    await page.getByText('Nothing was connected').waitFor()
    expect(await violations(page)).toEqual([])

    await page.goto(`${server.base}/oidc/v1/logout`)
    expect(await violations(page)).toEqual([])
    await page.goto(`${server.base}/oidc/setup/gone`)
    expect(await violations(page)).toEqual([])
    await page.context().close()
  })

  test('signing in works without scripts and by keyboard, under the real policy', async () => {
    const context = await chrome.newContext({ javaScriptEnabled: false })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    const listener = await listenOnLoopback()
    await page.goto(
      authorizeUrl(server.base, {
        client_id: 'lakelet-cli',
        redirect_uri: listener.redirectUri,
        code_challenge: challengeOf(newVerifier()),
      }),
    )
    // The first field has the focus, once the page is drawn.
    await page.locator('input[name=login]:focus').waitFor()
    await page.keyboard.type('owner@example.com')
    await page.keyboard.press('Tab')
    await page.keyboard.type(ownersPassword)
    await page.keyboard.press('Enter')
    const cameBack = await listener.cameBack(seconds(20))
    expect(cameBack.searchParams.get('code')).toMatch(/^[\w-]{43}$/)
    await page.getByText('You can close this page').waitFor()
    await listener.close()
    expect(complaints).toEqual([])
    await page.goto(`${server.base}/oidc/v1/logout`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('You are not signed in').waitFor()
    await context.close()
  })

  test('the page cannot be put into another one', async () => {
    const plain = await (await chrome.newContext()).newPage()
    await plain
      .context()
      .route('http://evil.example/**', (route) =>
        route.fulfill({ contentType: 'text/html', body: `<iframe src="${request()}"></iframe>` }),
      )
    await plain.goto('http://evil.example/')
    await plain.waitForLoadState('networkidle')
    const frame = plain.frames().at(-1)
    expect(await frame?.getByLabel('Password').count()).toBe(0)
    await plain.context().close()
  })

  test('it fits a telephone', async () => {
    const page = await open()
    await page.setViewportSize({ width: 320, height: 600 })
    await page.goto(request())
    const isWide = await page.evaluate('document.documentElement.scrollWidth > 320')
    expect(isWide).toBe(false)
    if (process.env.SCREENSHOT !== undefined) {
      await page.setViewportSize({ width: 900, height: 700 })
      await page.screenshot({ path: `${process.env.SCREENSHOT}-light.png` })
      await page.emulateMedia({ colorScheme: 'dark' })
      await page.screenshot({ path: `${process.env.SCREENSHOT}-dark.png` })
    }
    await page.context().close()
  })
})
