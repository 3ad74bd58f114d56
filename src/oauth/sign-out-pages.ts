/** Signing out: asked once, so that no other page can do it by a link. */
import { html } from './html.ts'
import type { Page } from './page.ts'

export const signOutPage = (form: { readonly action: string; readonly token: string }): Page => ({
  title: 'Sign out?',
  body: html`
<p>This ends your session in this browser. Programs that you signed in stay so: end them with <strong>lakelet auth logout</strong>.</p>
<form method="post" action="${form.action}">
<input type="hidden" name="xsrf" value="${form.token}">
<button type="submit" name="logout" value="yes" autofocus>Sign out</button>
</form>`,
})

export const signedOutPage: Page = {
  title: 'Signed out',
  body: html`<p role="status">You are not signed in in this browser. You can close this page.</p>`,
}
