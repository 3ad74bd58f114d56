/** A page for what goes wrong in a browser: what happened, in words, and what to do. */
import { html } from './html.ts'
import type { Page } from './page.ts'

interface Shown {
  readonly error?: string | undefined
  readonly error_description?: string | undefined
}

/** Of the provider's own refusals. */
export function errorPage({ error, error_description: description }: Shown, status = 400): Page {
  const isExpired =
    error === 'invalid_request' && /session|expired|interaction/.test(description ?? '')
  return {
    title: isExpired ? 'This sign-in is over' : 'This cannot go on',
    status,
    body: html`
<p>${isExpired ? 'It took too long, was finished before, or began in another browser.' : `The program that sent you here asked for something that is refused: ${description ?? error ?? 'no reason given'}.`}</p>
<p class="soft">Close this page and begin again from the program. ${isExpired ? 'Cookies must be allowed for this address.' : ''}</p>`,
  }
}

export const refusalPage = (text: string, status: number): Page => ({
  title: 'This cannot go on',
  status,
  body: html`<p role="alert">${text}</p>`,
})
