/**
 * A real browser that signs in by itself: opens the address it is given, fills in the form with
 * SIGN_IN_LOGIN and SIGN_IN_PASSWORD, and stays until the program has its answer.
 */
import { chromium } from 'playwright-core'

export const chromiumOptions = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
  ],
}

/** Where the browser ended. */
export async function signInWith(url, { login, password }) {
  const browser = await chromium.launch(chromiumOptions)
  try {
    const page = await browser.newPage({ javaScriptEnabled: false })
    await page.goto(url)
    await page.getByLabel('E-mail').fill(login)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL((current) => !current.href.includes('/oidc/'), { timeout: 30_000 })
    return page.url()
  } finally {
    await browser.close()
  }
}

const [, , url] = process.argv
if (url?.startsWith('http')) {
  const { SIGN_IN_LOGIN: login = '', SIGN_IN_PASSWORD: password = '' } = process.env
  await signInWith(url, { login, password })
}
