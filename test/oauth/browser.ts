/** As much of a browser as a sign-in needs: cookies by path, redirects one at a time, forms. */
import { createHash, randomBytes } from 'node:crypto'

interface Cookie {
  readonly value: string
  readonly path: string
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly location: string | undefined
  readonly url: string
}

export class Browser {
  readonly cookies = new Map<string, Cookie>()
  readonly setCookies: string[] = []

  async get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#send(url, { headers })
  }

  async post(
    url: string,
    fields: Readonly<Record<string, string>>,
    headers: Record<string, string> = { 'sec-fetch-site': 'same-origin' },
  ): Promise<Answer> {
    return this.#send(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    })
  }

  /** Goes where answers lead as long as it is below `base`. */
  async follow(answer: Answer, base: string): Promise<Answer> {
    let current = answer
    for (let hops = 0; current.location?.startsWith(`${base}/`) === true; hops += 1) {
      if (hops > 10) throw new Error('too many redirects')
      current = await this.get(current.location)
    }
    return current
  }

  async #send(url: string, init: RequestInit): Promise<Answer> {
    const { pathname } = new URL(url)
    const cookie = [...this.cookies]
      .filter(
        ([, { path }]) =>
          pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`),
      )
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ')
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: {
        accept: 'text/html,*/*',
        ...(init.headers as object),
        ...(cookie === '' ? {} : { cookie }),
      },
    })
    for (const line of response.headers.getSetCookie()) this.#keep(line)
    const location = response.headers.get('location')
    return {
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      location: location === null ? undefined : new URL(location, url).href,
      url,
    }
  }

  #keep(line: string): void {
    this.setCookies.push(line)
    const [pair = '', ...attributes] = line.split(/;\s*/)
    const at = pair.indexOf('=')
    const name = pair.slice(0, at)
    const value = pair.slice(at + 1)
    const path =
      /^path=(.*)$/i.exec(attributes.find((item) => /^path=/i.test(item)) ?? '')?.[1] ?? '/'
    if (value === '') this.cookies.delete(name)
    else this.cookies.set(name, { value, path })
  }
}

/** Hidden fields of the first form. */
export function hiddenFields(page: string): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [, attributes = ''] of page.matchAll(/<input ([^>]*type="hidden"[^>]*)>/g)) {
    const name = /name="([^"]*)"/.exec(attributes)?.[1]
    if (name !== undefined) fields[name] = /value="([^"]*)"/.exec(attributes)?.[1] ?? ''
  }
  return fields
}

export const newVerifier = (): string => randomBytes(32).toString('base64url')
export const challengeOf = (verifier: string): string =>
  createHash('sha256').update(verifier).digest('base64url')

export interface AuthorizationRequest {
  readonly client_id?: string
  readonly redirect_uri?: string
  readonly scope?: string
  readonly state?: string
  readonly code_challenge?: string
  readonly code_challenge_method?: string
  readonly [name: string]: string | undefined
}

export function authorizeUrl(base: string, request: AuthorizationRequest): string {
  const query = new URLSearchParams()
  const all = {
    response_type: 'code',
    client_id: 'databricks-cli',
    redirect_uri: 'http://localhost:8020',
    scope: 'offline_access all-apis',
    state: 'xyz',
    code_challenge_method: 'S256',
    ...request,
  }
  for (const [name, value] of Object.entries(all)) if (value !== undefined) query.set(name, value)
  return `${base}/oidc/v1/authorize?${query}`
}

/** From the request to the sign-in page. */
export async function openSignIn(
  browser: Browser,
  base: string,
  request: AuthorizationRequest,
): Promise<Answer> {
  return browser.follow(await browser.get(authorizeUrl(base, request)), base)
}

/** The whole way: the address to which the program gets its code, or the page that refused. */
export async function signIn(
  browser: Browser,
  base: string,
  request: AuthorizationRequest,
  account: { readonly login: string; readonly password: string },
): Promise<Answer> {
  const page = await openSignIn(browser, base, request)
  if (page.location !== undefined) return page // signed in already
  const submitted = await browser.post(page.url, {
    ...hiddenFields(page.text),
    ...account,
    do: 'sign-in',
  })
  return browser.follow(submitted, base)
}
