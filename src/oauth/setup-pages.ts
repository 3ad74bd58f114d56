/** The page behind a one-time link: choose a password. Looking at it does not use the link up. */
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { SignIn } from '../actions/sign-in.ts'
import { Fault } from '../domain/faults.ts'
import { Secret } from '../lib/secret.ts'
import { refusalPage } from './error-page.ts'
import { type FormTokens, readForm } from './form.ts'
import { html } from './html.ts'
import { alert, type Page, sendPage } from './page.ts'
import { requestOrigin } from './request-context.ts'

export interface SetupPagesOptions {
  readonly signIn: SignIn
  readonly forms: FormTokens
}

/** `link`: what follows `/oidc/setup/` in the address. */
export async function serveSetup(
  options: SetupPagesOptions,
  ctx: KoaContextWithOIDC,
  link: string,
): Promise<void> {
  const { signIn, forms } = options
  const secret = new Secret(link)
  try {
    if (ctx.method !== 'POST') {
      const { loginName } = await signIn.linkHolder(secret)
      sendPage(ctx, setupPage(options, link, loginName))
      return
    }
    const form = await readForm(ctx.req)
    forms.check(ctx.req, link, form.get('token'))
    const { loginName } = await signIn.linkHolder(secret)
    const password = form.get('password') ?? ''
    if (password !== form.get('again')) {
      const problem = 'The two passwords are not the same.'
      sendPage(ctx, { ...setupPage(options, link, loginName, problem), status: 400 })
      return
    }
    await redeem(options, ctx, secret, link, loginName, new Secret(password))
  } catch (error) {
    if (!(error instanceof Fault) || error.reason !== 'SETUP_LINK_DEAD') throw error
    sendPage(ctx, refusalPage(error.text, 404))
  }
}

async function redeem(
  options: SetupPagesOptions,
  ctx: KoaContextWithOIDC,
  secret: Secret,
  link: string,
  loginName: string,
  password: Secret,
): Promise<void> {
  try {
    await options.signIn.redeemLink(secret, password, requestOrigin())
    sendPage(ctx, donePage(loginName))
  } catch (error) {
    if (!(error instanceof Fault) || error.reason !== 'PASSWORD_INVALID') throw error
    sendPage(ctx, { ...setupPage(options, link, loginName, error.text), status: 400 })
  }
}

const setupPage = (
  { forms }: SetupPagesOptions,
  link: string,
  loginName: string,
  problem?: string,
): Page => {
  const marks = problem === undefined ? undefined : html` aria-invalid="true"`
  const described = problem === undefined ? 'rule' : 'problem rule'
  return {
    title: 'Choose a password',
    body: html`
${alert(problem)}
<form method="post">
<input type="hidden" name="token" value="${forms.make(link)}">
<label for="login">E-mail</label>
<input id="login" name="login" type="text" autocomplete="username" value="${loginName}" readonly>
<label for="password">New password</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="12" maxlength="256" required autofocus aria-describedby="${described}"${marks}>
<p class="hint" id="rule">At least 12 characters. A few words in a row make a good one.</p>
<label for="again">The same again</label>
<input id="again" name="again" type="password" autocomplete="new-password" maxlength="256" required${marks}>
<button type="submit">Set password</button>
</form>
<p class="soft">Sessions that are open elsewhere end.</p>`,
  }
}

const donePage = (loginName: string): Page => ({
  title: 'Password set',
  body: html`
<p role="status">You can sign in as <strong>${loginName}</strong> now:</p>
<p><strong>lakelet auth login</strong></p>
<p class="soft">This link does not work any more. You can close this page.</p>`,
})
