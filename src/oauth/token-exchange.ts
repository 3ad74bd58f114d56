/** Token exchange (RFC 8693): a token of a trusted issuer for an access token of ours. */
import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider'
import type { SignIn } from '../actions/sign-in.ts'
import { Fault } from '../domain/faults.ts'
import { grants } from './clients.ts'
import { errors } from './oidc-provider.ts'
import { TokenUntrusted, type TrustedIssuers } from './trusted-issuers.ts'

const tokenType = (name: string): string => `urn:ietf:params:oauth:token-type:${name}`

const parameters = [
  'subject_token',
  'subject_token_type',
  'requested_token_type',
  'actor_token',
  'audience',
  'resource',
  'scope',
]

export interface TokenExchangeOptions {
  readonly signIn: SignIn
  readonly trusted: TrustedIssuers
  /** The service principal that the request named without proving to be it. */
  readonly namedClient: () => string | undefined
}

export function registerTokenExchange(provider: Provider, options: TokenExchangeOptions): void {
  const { signIn, trusted, namedClient } = options
  provider.registerGrantType(
    grants.exchange,
    async (ctx: KoaContextWithOIDC) => {
      const { client, params } = ctx.oidc
      if (client === undefined || params === undefined) throw new errors.InvalidClient('no client')
      const subject = readSubject(params)
      // A client that has proved itself can only become itself.
      const wanted =
        client.tokenEndpointAuthMethod === 'none' ? namedClient() : String(client.clientId)
      const identity = await signIn.identityByLogin(await loginOf(trusted, subject, wanted))
      if (identity === undefined)
        refuse('the identity that its rule names is not here, or not active')
      const token = new provider.AccessToken({
        accountId: identity.uid,
        client,
        scope: 'all-apis',
        gty: grants.exchange,
      } as never) // its types lack what only some grants need
      ctx.oidc.entity('AccessToken', token)
      ctx.body = {
        access_token: await token.save(),
        issued_token_type: tokenType('access_token'),
        token_type: 'Bearer',
        expires_in: token.expiration,
        scope: 'all-apis',
      }
    },
    parameters,
  )
}

function readSubject(params: Readonly<Record<string, unknown>>): string {
  const text = (name: string): string | undefined => {
    const value = params[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const subject = text('subject_token')
  const type = text('subject_token_type')
  const requested = text('requested_token_type')
  if (subject === undefined) refuse('there is no subject_token')
  if (type !== tokenType('jwt') && type !== tokenType('id_token')) {
    refuse(`subject_token_type must be ${tokenType('jwt')} or ${tokenType('id_token')}`)
  }
  if (requested !== undefined && requested !== tokenType('access_token')) {
    refuse('only an access token can be had for it')
  }
  if (text('actor_token') !== undefined)
    refuse('nobody can act for another here: leave actor_token out')
  return subject
}

async function loginOf(
  trusted: TrustedIssuers,
  subject: string,
  wanted: string | undefined,
): Promise<string> {
  try {
    return await trusted.identityOf(subject, wanted)
  } catch (error) {
    if (error instanceof TokenUntrusted) refuse(error.message)
    throw error
  }
}

function refuse(problem: string): never {
  throw new errors.InvalidRequest(new Fault('OAUTH_EXCHANGE_REFUSED', { problem }).text)
}
