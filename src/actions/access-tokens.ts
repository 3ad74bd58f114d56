/** Personal access tokens and the secrets of service principals: made, checked, listed, revoked. */
import { createHash, randomBytes } from 'node:crypto'
import { Fault } from '../domain/faults.ts'
import type { Identity } from '../domain/identity.ts'
import { type IdentityUid, printable } from '../domain/names.ts'
import { Secret } from '../lib/secret.ts'
import { after, type EpochMs, type Millis, minutes } from '../lib/time.ts'
import type { AccessToken, ClientSecret } from '../ports/access-tokens.ts'
import { mustAdminister } from './access.ts'
import type { Caller } from './actions.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'

type Stores = Pick<Services, 'catalog' | 'clock'>

/** Tokens and secrets are 256 random bits, so a plain hash of them is as good as a slow one. */
const hashOf = (token: Secret): string =>
  createHash('sha256').update(token.reveal()).digest('base64url')

/** How exactly the last use is known: one write a minute for each token in use. */
const useKept = minutes(1)

/** Identity of a personal access token; throws UNAUTHENTICATED. */
export async function authenticate({ catalog, clock }: Stores, token: Secret): Promise<Identity> {
  const now = clock.now()
  const found = await catalog.accessTokens.find(hashOf(token), now)
  if (found === undefined) {
    throw new Fault('UNAUTHENTICATED', { problem: 'it is unknown, expired or revoked' })
  }
  const { identity, token: row } = found
  if (isWorthNoting(row.lastUsedTime, now)) await catalog.accessTokens.noteUse(row.tokenId, now)
  return identity
}

/**
 * The service principal that this client id (its application id) and secret prove; `undefined` when
 * they do not, whatever of both is wrong.
 */
export async function verifyClientSecret(
  { catalog, clock }: Stores,
  clientId: string,
  secret: Secret,
): Promise<Identity | undefined> {
  const now = clock.now()
  const found = await catalog.clientSecrets.find(clientId.toLowerCase(), hashOf(secret), now)
  if (found === undefined) return undefined
  const { identity, secret: row } = found
  if (isWorthNoting(row.lastUsedTime, now)) await catalog.clientSecrets.noteUse(row.secretId, now)
  return identity
}

const isWorthNoting = (known: EpochMs | undefined, now: EpochMs): boolean =>
  known === undefined || now >= after(known, useKept)

export interface NewAccessToken {
  readonly comment: string
  /** Default: no end. */
  readonly lifetime?: Millis
}

export async function createAccessToken(
  services: Stores,
  caller: Caller,
  input: NewAccessToken & { readonly forLogin?: string },
): Promise<{ readonly tokenId: string; readonly token: Secret }> {
  const { forLogin } = input
  const own = caller.identity.uid
  if (forLogin === undefined) return issueAccessToken(services, own, input)
  mustAdminister(caller, 'create tokens on behalf of others')
  const identity = await services.catalog.identities.byLoginName(forLogin)
  if (identity === undefined) throw new Fault('IDENTITY_NOT_FOUND', { name: printable(forLogin) })
  return issueAccessToken(services, identity.uid, input, own)
}

/** Without a caller: for the first start. */
export async function issueAccessToken(
  { catalog, clock }: Stores,
  identityUid: IdentityUid,
  { comment, lifetime }: NewAccessToken,
  createdBy: IdentityUid = identityUid,
): Promise<{ readonly tokenId: string; readonly token: Secret }> {
  const token = new Secret(`dapi${randomBytes(32).toString('hex')}`)
  const tokenId = newOperationUid()
  const now = clock.now()
  return catalog.transaction(async (session) => {
    await session.accessTokens.insert({
      tokenId,
      hash: hashOf(token),
      identityUid,
      comment,
      createTime: now,
      expireTime: lifetime === undefined ? undefined : after(now, lifetime),
      createdBy,
    })
    return { tokenId, token }
  })
}

/** The caller's own; `ofAll`: everybody's, for administrators. */
export async function listAccessTokens(
  { catalog }: Pick<Services, 'catalog'>,
  caller: Caller,
  { ofAll }: { readonly ofAll: boolean },
): Promise<readonly AccessToken[]> {
  if (ofAll) mustAdminister(caller, 'see the tokens of others')
  return catalog.accessTokens.list(ofAll ? undefined : caller.identity.uid)
}

/** One's own, or anybody's for administrators; else it is not there. */
export async function getAccessToken(
  { catalog }: Pick<Services, 'catalog'>,
  { identity }: Caller,
  tokenId: string,
): Promise<AccessToken> {
  const token = await catalog.accessTokens.byId(tokenId)
  if (token === undefined || !(identity.isAdmin || token.identityUid === identity.uid)) {
    throw new Fault('TOKEN_NOT_FOUND', { token: printable(tokenId) })
  }
  return token
}

/** From the next request on it is unknown. */
export async function deleteAccessToken(
  services: Pick<Services, 'catalog'>,
  caller: Caller,
  tokenId: string,
): Promise<void> {
  const token = await getAccessToken(services, caller, tokenId)
  await services.catalog.transaction(async (session) => {
    await session.accessTokens.remove(token.tokenId)
  })
}

/** A service principal may hold this many, so that an old and a new one can overlap. */
const maxSecrets = 5
const defaultSecretLifetime = minutes(60 * 24 * 730)

/** Administrators, and the service principal itself, which so can rotate its own. */
export async function createClientSecret(
  services: Stores,
  caller: Caller,
  servicePrincipal: string,
  { lifetime = defaultSecretLifetime }: { readonly lifetime?: Millis },
): Promise<ClientSecret & { readonly secret: Secret }> {
  const { catalog, clock } = services
  const identity = await findServicePrincipal(services, caller, servicePrincipal)
  const secret = new Secret(`dose${randomBytes(32).toString('hex')}`)
  const now = clock.now()
  const row = {
    secretId: newOperationUid(),
    hash: hashOf(secret),
    identityUid: identity.uid,
    createTime: now,
    expireTime: after(now, lifetime),
  }
  return catalog.transaction(async (session) => {
    await session.directory.lock()
    const held = await session.clientSecrets.list(identity.uid)
    if (held.length >= maxSecrets) {
      throw new Fault('SECRETS_TOO_MANY', { name: identity.loginName, limit: maxSecrets })
    }
    await session.clientSecrets.insert(row)
    return { ...row, lastUsedTime: undefined, secret }
  })
}

export async function listClientSecrets(
  services: Pick<Services, 'catalog'>,
  caller: Caller,
  servicePrincipal: string,
): Promise<readonly ClientSecret[]> {
  const { uid } = await findServicePrincipal(services, caller, servicePrincipal)
  return services.catalog.clientSecrets.list(uid)
}

export async function deleteClientSecret(
  services: Pick<Services, 'catalog'>,
  caller: Caller,
  servicePrincipal: string,
  secretId: string,
): Promise<void> {
  const { uid } = await findServicePrincipal(services, caller, servicePrincipal)
  await services.catalog.transaction(async (session) => {
    if (!(await session.clientSecrets.remove(uid, secretId))) {
      throw new Fault('SECRET_NOT_FOUND', { secret: printable(secretId) })
    }
  })
}

async function findServicePrincipal(
  { catalog }: Pick<Services, 'catalog'>,
  caller: Caller,
  uid: string,
): Promise<Identity> {
  if (uid !== caller.identity.uid) mustAdminister(caller, 'manage the secrets of others')
  const identity = await catalog.identities.byUid(uid as IdentityUid)
  if (identity?.kind === 'SERVICE_PRINCIPAL') return identity
  throw new Fault('IDENTITY_NOT_FOUND', { name: printable(uid) })
}
