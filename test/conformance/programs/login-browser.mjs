/**
 * The browser of the U2M row: a program opens the page of the sign-in with it, and it does what a person
 * does there. It sets the password first, by the link that the server gave, when there is one.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'

const [address] = process.argv.slice(2)
const { CHROMIUM, LOGIN, PASSWORD, SETUP_LINK } = process.env

async function signIn(page) {
  page.setDefaultTimeout(30_000)
  const submit = () => page.locator('button[type=submit]').first().click()
  if (SETUP_LINK) {
    await page.goto(SETUP_LINK)
    for (const field of await page.locator('input[type=password]').all()) await field.fill(PASSWORD)
    await submit()
    await page.waitForLoadState()
  }
  await page.goto(address)
  const name = page.locator('input:not([type=password]):not([type=hidden]):not([readonly])').first()
  await name.fill(LOGIN)
  await page.locator('input[type=password]').fill(PASSWORD)
  await submit()
  await page.waitForURL(/^http:\/\/localhost:80\d\d\//)
}

try {
  const require = createRequire(join(import.meta.dirname, '../node/package.json'))
  const browser = await require('playwright-core').chromium.launch({
    executablePath: CHROMIUM,
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
  try {
    await signIn(await browser.newPage())
  } finally {
    await browser.close()
  }
} catch (error) {
  console.error(`login-browser: ${error.message}`)
  // The program waits for its redirect for ever.
  const back = new URL(new URL(address).searchParams.get('redirect_uri'))
  back.searchParams.set('error', 'the browser failed')
  await fetch(back).catch(() => undefined)
  process.exitCode = 1
}
