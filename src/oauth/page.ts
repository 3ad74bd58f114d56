/**
 * What all pages of the sign-in have in common: one card in the middle, light or dark as the system
 * is, no script, nothing from elsewhere. The policy allows exactly the one style sheet (by its hash)
 * and forms to this server and, where a form ends at a client, to that client.
 */
import { createHash } from 'node:crypto'
import { type Html, html } from './html.ts'
import { style, styleText } from './style.ts'

export interface Page {
  readonly title: string
  readonly body: Html
  /** Default 200. */
  readonly status?: number
  /** Origins beside our own to which the answer to a form may lead. */
  readonly formTargets?: readonly string[]
}

/** What of a request's context a page needs; Koa's has it. */
interface Answer {
  status: number
  type: string
  body: unknown
  set(headers: Record<string, string>): void
}

const styleHash = createHash('sha256').update(styleText).digest('base64')

export const policy = (formTargets: readonly string[] = []): string =>
  [
    "default-src 'none'",
    `style-src 'sha256-${styleHash}'`,
    "script-src 'none'",
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')

/** For every answer below `/oidc`, pages or not. */
export const safeHeaders = (): Record<string, string> => ({
  'content-security-policy': policy(),
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
})

export function sendPage(answer: Answer, page: Page): void {
  answer.status = page.status ?? 200
  answer.type = 'text/html; charset=utf-8'
  answer.set({ ...safeHeaders(), 'content-security-policy': policy(page.formTargets) })
  answer.body = render(page).text
}

const render = ({ title, body }: Page): Html => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · Lakelet</title>
<style>${style}</style>
</head>
<body>
<main>
<p class="mark"><svg width="28" height="28" viewBox="0 0 28 28" aria-hidden="true" focusable="false"><path d="M3 17c3.7 0 3.7-3 7.3-3s3.7 3 7.4 3 3.7-3 7.3-3M3 22c3.7 0 3.7-3 7.3-3s3.7 3 7.4 3 3.7-3 7.3-3M14 3v7M9 7l5 4 5-4" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/></svg>Lakelet</p>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`

/** A refusal above a form: read out when it appears, and named by the field that it is about. */
export const alert = (text: string | undefined): Html | undefined =>
  text === undefined ? undefined : html`<p class="alert" role="alert" id="problem">${text}</p>`
