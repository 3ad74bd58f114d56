/** Pages of the device flow (RFC 8628): enter a code, see what it is for, done. */

import { html } from './html.ts'
import type { Page } from './page.ts'
import { alert } from './page.ts'

interface CodeForm {
  readonly action: string
  readonly token: string
  readonly userCode: string | undefined
}

export function deviceCodePage({
  action,
  token,
  userCode,
  error,
}: CodeForm & { readonly error?: unknown }): Page {
  const problem = sayProblem(error)
  if (problem?.isEnd === true) {
    return { title: 'Not connected', body: html`<p role="status">${problem.text}</p>` }
  }
  const typed =
    userCode ?? (error instanceof Error && 'userCode' in error ? String(error.userCode) : undefined)
  return {
    title: 'Connect a device',
    status: problem === undefined ? 200 : 400,
    body: html`
${alert(problem?.text)}
<p class="soft">A program that cannot open a browser shows you a code. Enter it here, only if you started that program yourself.</p>
<form method="post" action="${action}">
<input type="hidden" name="xsrf" value="${token}">
<label for="user_code">Code</label>
<input class="code" id="user_code" name="user_code" value="${typed}" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="20" required autofocus${problem === undefined ? undefined : html` aria-invalid="true" aria-describedby="problem"`}>
<button type="submit">Continue</button>
</form>`,
  }
}

/** By the provider's own classes of mistakes, which it does not export. */
function sayProblem(error: unknown): { text: string; isEnd?: true } | undefined {
  if (!(error instanceof Error)) return undefined
  switch (error.name) {
    case 'NoCodeError':
      return { text: 'Enter the code that the program shows.' }
    case 'NotFoundError':
      return { text: 'There is no such code. Compare it with what the program shows.' }
    case 'ExpiredError':
      return { text: 'This code has expired. Start again in the program, which shows a new one.' }
    case 'AlreadyUsedError':
      return {
        text: 'This code was used before. Start again in the program, which shows a new one.',
      }
    case 'AbortedError':
      return { text: 'Nothing was connected. You can close this page.', isEnd: true }
    case 'Fault':
      return { text: error.message }
    default:
      return { text: 'The form is too old. Enter the code again.' }
  }
}

interface Confirmation extends CodeForm {
  readonly userCode: string
  readonly clientName: string
  readonly deviceInfo: Readonly<Record<string, unknown>>
}

export const deviceConfirmPage = (confirmation: Confirmation): Page => ({
  title: 'Connect this device?',
  body: html`
<p><strong>${confirmation.clientName}</strong> wants to act in your name. It asked from the address ${String(confirmation.deviceInfo.address ?? 'unknown')} and shows this code:</p>
<p class="code-shown">${confirmation.userCode}</p>
<p class="soft">If the program shows another one, or you did not start it, do not connect.</p>
<form method="post" action="${confirmation.action}">
<input type="hidden" name="xsrf" value="${confirmation.token}">
<input type="hidden" name="user_code" value="${confirmation.userCode}">
<button type="submit" name="confirm" value="yes">Connect</button>
<button class="second" type="submit" name="abort" value="yes">Do not connect</button>
</form>`,
})

export const deviceDonePage: Page = {
  title: 'Connected',
  body: html`<p role="status">The program goes on by itself. You can close this page.</p>`,
}
