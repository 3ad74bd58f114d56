/**
 * The page that asks for e-mail and password, in the middle of an authorization that the provider has
 * begun and goes on with. Programs of ours act for whoever signs in, so nothing more is asked.
 */
import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { SignIn } from '../actions/sign-in.ts'
import { Fault } from '../domain/faults.ts'
import { Secret } from '../lib/secret.ts'
import { errorPage } from './error-page.ts'
import { type FormTokens, readForm } from './form.ts'
import { html } from './html.ts'
import { errors } from './oidc-provider.ts'
import { alert, type Page, sendPage } from './page.ts'
import { requestOrigin } from './request-context.ts'

export interface SignInPagesOptions {
  readonly provider: Provider
  readonly signIn: SignIn
  readonly forms: FormTokens
}

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>

/** `uid`: of the interaction, from the address. */
export async function serveSignIn(
  options: SignInPagesOptions,
  ctx: KoaContextWithOIDC,
  uid: string,
): Promise<void> {
  const interaction = await findInteraction(options.provider, ctx, uid)
  if (interaction === undefined) {
    const description = 'interaction session not found'
    sendPage(ctx, errorPage({ error: 'invalid_request', error_description: description }))
  } else if (ctx.method === 'POST') {
    await submit(options, ctx, interaction)
  } else if (interaction.prompt.name === 'login') {
    sendPage(ctx, await signInPage(options, interaction, {}))
  } else if (interaction.session !== undefined) {
    await finish(options, ctx, interaction, interaction.session.accountId, {})
  } else {
    throw new Error(`nobody is signed in at the prompt ${interaction.prompt.name}`)
  }
}

/** Its cookie must be there and name the same one as the address. */
async function findInteraction(
  provider: Provider,
  ctx: KoaContextWithOIDC,
  uid: string,
): Promise<Interaction | undefined> {
  try {
    const interaction = await provider.interactionDetails(ctx.req, ctx.res)
    return interaction.uid === uid ? interaction : undefined
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return undefined
    throw error
  }
}

async function submit(
  options: SignInPagesOptions,
  ctx: KoaContextWithOIDC,
  interaction: Interaction,
): Promise<void> {
  const { provider, signIn, forms } = options
  const form = await readForm(ctx.req)
  forms.check(ctx.req, interaction.uid, form.get('token'))
  if (form.get('do') === 'cancel') {
    const result = { error: 'access_denied', error_description: 'You chose not to sign in' }
    redirect(ctx, await provider.interactionResult(ctx.req, ctx.res, result))
    return
  }
  const loginName = (form.get('login') ?? '').trim()
  try {
    const password = new Secret(form.get('password') ?? '')
    const identity = await signIn.checkPassword(loginName, password, requestOrigin())
    await finish(options, ctx, interaction, identity.uid, {
      login: { accountId: identity.uid, amr: ['pwd'] },
    })
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const status = error.reason === 'SIGN_IN_LOCKED' ? 429 : 401
    const page = await signInPage(options, interaction, { loginName, problem: error.text })
    sendPage(ctx, { ...page, status })
  }
}

/** Each authorization has a grant of its own, so that ending one leaves the others alone. */
async function finish(
  { provider }: SignInPagesOptions,
  ctx: KoaContextWithOIDC,
  { params }: Interaction,
  accountId: string,
  result: object,
): Promise<void> {
  const grant = new provider.Grant({ accountId, clientId: String(params.client_id) })
  grant.addOIDCScope(String(params.scope ?? ''))
  const grantId = await grant.save()
  redirect(
    ctx,
    await provider.interactionResult(ctx.req, ctx.res, { ...result, consent: { grantId } }),
  )
}

function redirect(ctx: KoaContextWithOIDC, to: string): void {
  ctx.redirect(to)
  ctx.status = 303
  ctx.body = ''
}

async function signInPage(
  { provider, forms }: SignInPagesOptions,
  { uid, params }: Interaction,
  { loginName, problem }: { readonly loginName?: string; readonly problem?: string },
): Promise<Page> {
  const client = await provider.Client.find(String(params.client_id))
  const name = client?.clientName ?? 'A program'
  const redirectUri = typeof params.redirect_uri === 'string' ? params.redirect_uri : undefined
  const target = redirectUri === undefined ? undefined : new URL(redirectUri)
  const hint = loginName ?? (typeof params.login_hint === 'string' ? params.login_hint : '')
  const marks = problem === undefined ? undefined : html` aria-describedby="problem"`
  return {
    title: 'Sign in',
    // The answer to this form leads on to the program, and browsers check that against the policy.
    ...(target === undefined ? {} : { formTargets: [target.origin] }),
    body: html`
${alert(problem)}
<p class="soft"><strong>${name}</strong> will act in your name${target === undefined ? '' : `, at ${target.host}`}.</p>
<form method="post">
<input type="hidden" name="token" value="${forms.make(uid)}">
<label for="login">E-mail</label>
<input id="login" name="login" type="text" inputmode="email" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="256" value="${hint}" required${hint === '' ? html` autofocus` : undefined}${marks}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required${hint === '' ? undefined : html` autofocus`}${marks}>
<button type="submit" name="do" value="sign-in">Sign in</button>
<button class="second" type="submit" name="do" value="cancel" formnovalidate>Cancel</button>
</form>
<p class="soft">No password yet? The server shows a link when it starts; an administrator makes one with <strong>lakelet setup-link</strong>.</p>`,
  }
}
