/**
 * The OAuth issuer with what it needs, and what belongs to it: keys that are renewed, records that are
 * swept, and the link with which the owner sets a first password.
 */
import { readFile } from 'node:fs/promises'
import { verifyClientSecret } from '../actions/access-tokens.ts'
import { bySystem } from '../actions/audit-entry.ts'
import { audited } from '../actions/audited.ts'
import type { Services } from '../actions/services.ts'
import { createSignIn, issueSetupLink, sweepSignIn } from '../actions/sign-in.ts'
import { baseUrl, type OwnAddress } from '../domain/base-url.ts'
import type { Identity } from '../domain/identity.ts'
import type { Layout } from '../domain/layout.ts'
import type { Settings } from '../lib/settings-table.ts'
import { after, hours, minutes } from '../lib/time.ts'
import { createIssuer, type Issuer } from '../oauth/issuer.ts'
import { readTrustedIssuers, type TrustedIssuer } from '../oauth/trusted-issuers.ts'
import { type Loop, startLoop } from '../reconcile/loop.ts'
import { openOAuthSecrets } from '../tokens/oauth-secrets.ts'
import type { OpenTokens } from '../tokens/tokens.ts'

export interface SignInParts extends OwnAddress {
  readonly services: Services
  readonly tokens: OpenTokens
  readonly layout: Layout
  readonly settings: Settings
}

export async function startIssuer(parts: SignInParts): Promise<{ issuer: Issuer; loop: Loop }> {
  const { services, tokens, layout, settings, apiUrl, publicUrl } = parts
  const { catalog, clock, log, auditNotes } = services
  const issuer = createIssuer({
    apiUrl,
    publicUrl,
    ...(await openOAuthSecrets(layout, clock)),
    signIn: createSignIn({
      catalog,
      clock,
      auditNotes,
      verifyClientSecret: (id, secret) => verifyClientSecret(services, id, secret),
    }),
    keys: tokens.privateKeys(),
    trustedIssuers: await trustedIssuers(settings.trustedIssuers),
    workspaceId: catalog.workspaceId,
    clock,
    log,
  })
  const loop = startLoop({
    name: 'sign-in',
    async run() {
      await sweepSignIn(services)
      if (await tokens.rotate()) issuer.useKeys(tokens.privateKeys())
      return after(clock.now(), minutes(10))
    },
    slowest: hours(1),
    clock,
    log,
  })
  return { issuer, loop }
}

async function trustedIssuers(path: string | undefined): Promise<readonly TrustedIssuer[]> {
  if (path === undefined) return []
  try {
    return readTrustedIssuers(await readFile(path, 'utf8'))
  } catch (error) {
    throw new Error(`trusted-issuers: ${path} cannot be used`, { cause: error })
  }
}

/** Where the owner sets a password; `undefined`: there is one. Each start makes the last link void. */
export async function ownersLink(
  services: Services,
  owner: Identity,
  address: OwnAddress,
): Promise<string | undefined> {
  if ((await services.catalog.passwords.verifierOf(owner.uid)) !== undefined) return undefined
  const about = { resource: `identities/${owner.loginName}`, resourceUid: owner.uid }
  const begun = bySystem('create-setup-link', about, services.clock.now())
  const { token } = await audited(services, { begun }, (inner) => issueSetupLink(inner, owner))
  // Of all addresses this one is the one of this machine.
  const base = baseUrl(address, undefined)
    .replace('//0.0.0.0:', '//127.0.0.1:')
    .replace('//[::]:', '//[::1]:')
  return `${base}/oidc/setup/${token.reveal()}`
}
