/** Personal access tokens and the secrets of service principals: made, checked, listed, revoked. */
import { createHash, randomBytes } from 'node:crypto'
import { Fault } from '../domain/faults.ts'
import type { Identity } from '../domain/identity.ts'
import { type IdentityUid, printable } from '../domain/names.ts'
import { Secret } from '../lib/secret.ts'
import { after, type EpochMs, type Millis, minutes } from '../lib/time.ts'
import type { AccessToken, ClientSecret } from '../ports/access-tokens.ts'
import { mustBeAllowed } from './access.ts'
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

/** A service principal, and which of its secrets proved it. */
export interface ProvenClient {
  readonly identity: Identity
  readonly secretId: string
}

/**
 * The service principal that this client id (its application id) and secret prove; `undefined` when
 * they do not, whatever of both is wrong.
 */
export async function verifyClientSecret(
  { catalog, clock }: Stores,
  clientId: string,
  secret: Secret,
): Promise<ProvenClient | undefined> {
  const now = clock.now()
  const found = await catalog.clientSecrets.find(clientId.toLowerCase(), hashOf(secret), now)
  if (found === undefined) return undefined
  const { identity, secret: row } = found
  if (isWorthNoting(row.lastUsedTime, now)) await catalog.clientSecrets.noteUse(row.secretId, now)
  return { identity, secretId: row.secretId }
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
): Promise<AccessToken & { readonly token: Secret }> {
  const { forLogin } = input
  mustBeAllowed(caller, forLogin === undefined ? 'createAccessToken' : 'createAccessToken/onBehalf')
  if (forLogin === undefined) return issueAccessToken(services, caller.identity, input)
  const identity = await services.catalog.identities.byLoginName(forLogin)
  if (identity === undefined) throw new Fault('IDENTITY_NOT_FOUND', { name: printable(forLogin) })
  return issueAccessToken(services, identity, input, caller.identity)
}

/** Without a caller: for the first start. */
export async function issueAccessToken(
  { catalog, clock }: Stores,
  owner: Identity,
  { comment, lifetime }: NewAccessToken,
  maker: Identity = owner,
): Promise<AccessToken & { readonly token: Secret }> {
  const token = new Secret(`dapi${randomBytes(32).toString('hex')}`)
  const now = clock.now()
  const row = {
    tokenId: newOperationUid(),
    identityUid: owner.uid,
    comment,
    createTime: now,
    expireTime: lifetime === undefined ? undefined : after(now, lifetime),
    createdBy: maker.uid,
  }
  return catalog.transaction(async (session) => {
    await session.accessTokens.insert({ ...row, hash: hashOf(token) })
    return { ...row, createdByName: maker.loginName, lastUsedTime: undefined, token }
  })
}

/** The caller's own; `ofAll`: everybody's, for administrators. */
export async function listAccessTokens(
  { catalog }: Pick<Services, 'catalog'>,
  caller: Caller,
  { ofAll }: { readonly ofAll: boolean },
): Promise<readonly AccessToken[]> {
  mustBeAllowed(caller, ofAll ? 'listAccessTokens/ofAll' : 'listAccessTokens')
  return catalog.accessTokens.list(ofAll ? undefined : caller.identity.uid)
}

/** One's own, or anybody's for administrators; else it is not there. */
export async function getAccessToken(
  services: Pick<Services, 'catalog'>,
  caller: Caller,
  tokenId: string,
): Promise<AccessToken> {
  return findToken(services, caller, tokenId, 'getAccessToken')
}

/** From the next request on it is unknown. */
export async function deleteAccessToken(
  services: Pick<Services, 'catalog'>,
  caller: Caller,
  tokenId: string,
): Promise<void> {
  await findToken(services, caller, tokenId, 'deleteAccessToken')
  await services.catalog.transaction(async (session) => {
    await session.accessTokens.remove(tokenId)
  })
}

async function findToken(
  { catalog }: Pick<Services, 'catalog'>,
  caller: Caller,
  tokenId: string,
  deed: 'getAccessToken' | 'deleteAccessToken',
): Promise<AccessToken> {
  const token = await catalog.accessTokens.byId(tokenId)
  const absent = (): never => {
    throw new Fault('TOKEN_NOT_FOUND', { token: printable(tokenId) })
  }
  if (token === undefined) return absent()
  mustBeAllowed(caller, deed, { isOwn: token.identityUid === caller.identity.uid, absent })
  return token
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
): Promise<ListedSecret & { readonly secret: Secret }> {
  const { catalog, clock } = services
  const identity = await findServicePrincipal(
    services,
    caller,
    servicePrincipal,
    'createClientSecret',
  )
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
    return { ...row, lastUsedTime: undefined, isExpired: false, secret }
  })
}

type ListedSecret = ClientSecret & { readonly isExpired: boolean }

export async function listClientSecrets(
  services: Stores,
  caller: Caller,
  servicePrincipal: string,
): Promise<readonly ListedSecret[]> {
  const { uid } = await findServicePrincipal(
    services,
    caller,
    servicePrincipal,
    'listClientSecrets',
  )
  const now = services.clock.now()
  const secrets = await services.catalog.clientSecrets.list(uid)
  return secrets.map((secret) => ({
    ...secret,
    isExpired: secret.expireTime !== undefined && secret.expireTime <= now,
  }))
}

/** The access tokens that it gave end with it. */
export async function deleteClientSecret(
  services: Pick<Services, 'catalog'>,
  caller: Caller,
  servicePrincipal: string,
  secretId: string,
): Promise<void> {
  const { uid } = await findServicePrincipal(
    services,
    caller,
    servicePrincipal,
    'deleteClientSecret',
  )
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
  deed: 'createClientSecret' | 'listClientSecrets' | 'deleteClientSecret',
): Promise<Identity> {
  mustBeAllowed(caller, deed, { isOwn: uid === caller.identity.uid })
  const identity = await catalog.identities.byUid(uid as IdentityUid)
  if (identity?.kind === 'SERVICE_PRINCIPAL') return identity
  throw new Fault('IDENTITY_NOT_FOUND', { name: printable(uid) })
}
