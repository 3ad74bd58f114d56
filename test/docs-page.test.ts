/** The API page in a real browser: offline, readable for everybody, and as its policy says. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apiDocument } from '../src/api/create-api.ts'
import { type Listening, serveApi } from '../src/api/listen.ts'
import { recordedApi } from '../src/api/recording-actions.fixture.ts'

const program = (process.env.PATH ?? '')
  .split(delimiter)
  .flatMap((directory) =>
    ['chromium', 'chromium-browser', 'google-chrome'].map((name) => join(directory, name)),
  )
  .find((path) => existsSync(path))
if (program === undefined) console.warn('SKIPPED the API page in a browser: there is no chromium')

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Violation {
  readonly id: string
  readonly impact: string
  readonly nodes: readonly { readonly html: string }[]
}

describe.skipIf(program === undefined)('the API page', () => {
  let browser: Browser
  let server: Listening
  let url: string

  beforeAll(async () => {
    server = await serveApi(recordedApi().app, { host: '127.0.0.1', port: 0 })
    url = `http://127.0.0.1:${server.port}/api/docs`
    browser = await chromium.launch({
      ...(program === undefined ? {} : { executablePath: program }),
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
      ],
    })
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  /** The page, and what it asked for and complained of. */
  async function open(options: Parameters<Browser['newContext']>[0] = {}) {
    const context: BrowserContext = await browser.newContext(options)
    const page: Page = await context.newPage()
    const requests: string[] = []
    const complaints: string[] = []
    page.on('request', (request) => requests.push(request.url()))
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(error.message))
    const response = await page.goto(url)
    expect(response?.status()).toBe(200)
    return { context, page, requests, complaints }
  }

  test('shows every operation and every schema, and asks for nothing but itself', async () => {
    const { context, page, requests, complaints } = await open()
    const { paths, components } = apiDocument('0')
    const operations = Object.values(paths).flatMap((path) => Object.values(path))
    const shown = await page.evaluate<readonly (readonly [string, string])[]>(
      "[...document.querySelectorAll('h3')].map((title) => [title.id, title.textContent])",
    )
    expect([...shown].sort()).toEqual(
      [
        ...operations.map(({ operationId, summary }) => [operationId, summary]),
        ...Object.keys(components.schemas).map((name) => [`schema-${name}`, name]),
      ].sort(),
    )
    const broken = await page.evaluate(`
      [...document.querySelectorAll('a[href^="#"]')]
        .map((link) => link.getAttribute('href'))
        .filter((target) => document.getElementById(target.slice(1)) === null)`)
    expect(broken).toEqual([])
    expect(requests.filter((request) => !request.startsWith(new URL(url).origin))).toEqual([])
    expect(requests).toEqual([url])
    expect(complaints).toEqual([])
    await context.close()
  })

  test('runs no script, not even one that got into it', async () => {
    const { context, page, complaints } = await open()
    const ran = await page.evaluate(`
      const script = document.createElement('script')
      script.textContent = 'window.ran = true'
      document.body.append(script)
      'ran' in window`)
    expect(ran).toBe(false)
    expect(complaints.join()).toContain('Content Security Policy')
    await context.close()
  })

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['dark', 360],
  ] as const)('has nothing that keeps somebody out: %s, %i wide', async (colorScheme, width) => {
    const { context, page } = await open({ colorScheme, viewport: { width, height: 800 } })
    await page.evaluate(axe)
    const violations = await page.evaluate<readonly Violation[]>(
      'axe.run({ resultTypes: ["violations"] }).then(({ violations }) => violations)',
    )
    const serious = violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)
    expect(serious).toEqual([])
    const overflow = await page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    )
    expect(overflow).toBe(0)
    const ground = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    expect(ground).toBe(colorScheme === 'dark' ? 'rgb(20, 23, 26)' : 'rgb(255, 255, 255)')
    await context.close()
  })

  test('is used by the keyboard: past the list, to an operation, into its reasons', async () => {
    const { context, page } = await open()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('content')
    const link = page.locator('nav a[href="#createBranch"]')
    await link.focus()
    await page.keyboard.press('Enter')
    expect(page.url()).toBe(`${url}#createBranch`)
    const reasons = page.locator('article[aria-labelledby="createBranch"] summary').first()
    await reasons.focus()
    await page.keyboard.press('Enter')
    const text = page.locator('article[aria-labelledby="createBranch"] details').first()
    expect(await text.getAttribute('open')).toBe('')
    expect(await text.textContent()).toContain('Expiration must be specified')
    await context.close()
  })

  test('reads the same without scripts at all', async () => {
    const { context, page } = await open({ javaScriptEnabled: false })
    expect(await page.locator('h1').textContent()).toContain('Lakelet API')
    await context.close()
  })
})
