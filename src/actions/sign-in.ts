/**
 * What the OAuth issuer needs of the product: who is there, whether this is their password, and where
 * it keeps its sessions and tokens. Attempts are counted for the account and for the address before
 * the password is looked at; an account that is not there behaves in all of this like one that is.
 */
import { createHash, randomBytes } from 'node:crypto'
import { Fault } from '../domain/faults.ts'
import type { Identity } from '../domain/identity.ts'
import { type IdentityUid, printable } from '../domain/names.ts'
import {
  type AttemptRule,
  addressKey,
  attemptRules,
  attemptWindow,
  lockedFor,
  passwordProblem,
} from '../domain/sign-in-policy.ts'
import { Secret } from '../lib/secret.ts'
import { after, before, days, type EpochMs, hours } from '../lib/time.ts'
import type { OAuthRecord, OAuthRecords } from '../ports/sign-in.ts'
import { mustBeAllowed } from './access.ts'
import type { ProvenClient } from './access-tokens.ts'
import type { Caller } from './actions.ts'
import type { AuditNotes } from './audit-notes.ts'
import {
  noteTokenRequest,
  type SignInOrigin,
  signInEntry,
  type TokenRequestFacts,
} from './audit-sign-in.ts'
import { isCrowded, makeVerifier, verifyPassword } from './password.ts'
import type { Services } from './services.ts'

export type { OAuthRecord, OAuthRecords, SignInOrigin }

export interface SignIn {
  readonly records: OAuthRecords
  /** The active identity, or nothing. */
  identity(uid: string): Promise<Identity | undefined>
  identityByLogin(loginName: string): Promise<Identity | undefined>
  /** The service principal whose id and secret these are. */
  verifyClientSecret(clientId: string, secret: Secret): Promise<ProvenClient | undefined>
  /** Throws SIGN_IN_FAILED or SIGN_IN_LOCKED. */
  checkPassword(loginName: string, password: Secret, origin: SignInOrigin): Promise<Identity>
  /** Counts a guess that is no password, of a device's code say; throws SIGN_IN_LOCKED. */
  countGuess(address: string): Promise<{ forgive(): Promise<void> }>
  /** Whose password the link sets; throws SETUP_LINK_DEAD. */
  linkHolder(link: Secret): Promise<Identity>
  /** Sets it, once, and ends all sessions and tokens of the identity. */
  redeemLink(link: Secret, password: Secret, origin: SignInOrigin): Promise<Identity>
  /** For the audit log. */
  noteTokenRequest(facts: TokenRequestFacts, origin: SignInOrigin): void
}

type Parts = Pick<Services, 'catalog' | 'clock'>

interface AuditedParts extends Parts {
  readonly auditNotes: AuditNotes
}

export interface SignInOptions extends AuditedParts {
  readonly verifyClientSecret: SignIn['verifyClientSecret']
}

/** The one way from an id to the key under which the catalog knows it. */
export const recordKey = (model: string, id: string): string =>
  createHash('sha256').update(`${model}:${id}`).digest('base64url')

/** Models whose ids are access tokens of the API. */
const tokenModels = ['AccessToken', 'ClientCredentials'] as const

export const accessTokenKeys = (token: Secret): readonly string[] =>
  tokenModels.map((model) => recordKey(model, token.reveal()))

export function createSignIn(options: SignInOptions): SignIn {
  const { catalog, clock, verifyClientSecret } = options
  const active = (identity: Identity | undefined) =>
    identity?.isActive === true ? identity : undefined
  return {
    records: catalog.oauthRecords,
    verifyClientSecret,
    identity: async (uid) => active(await catalog.identities.byUid(uid as IdentityUid)),
    identityByLogin: async (name) => active(await catalog.identities.byLoginName(name)),
    checkPassword: (name, password, origin) => checkPassword(options, name, password, origin),
    async countGuess(address) {
      const key = attemptKey('address', addressKey(address))
      await countAttempt({ catalog, clock }, key, attemptRules.address)
      return { forgive: () => catalog.signInAttempts.forgive(key, 'one') }
    },
    linkHolder: async (link) => {
      const holder = await catalog.setupLinks.identityOf(hashOf(link), clock.now())
      if (holder === undefined) throw new Fault('SETUP_LINK_DEAD')
      return holder
    },
    redeemLink: (link, password, origin) => redeemLink(options, link, password, origin),
    noteTokenRequest: (facts, origin) => noteTokenRequest(options, facts, origin),
  }
}

async function checkPassword(
  parts: AuditedParts,
  loginName: string,
  password: Secret,
  origin: SignInOrigin,
): Promise<Identity> {
  const { catalog, auditNotes } = parts
  const identity = await catalog.identities.byLoginName(loginName)
  const entry = signInEntry(parts, 'sign-in', identity, origin)
  try {
    const found = await provePassword(parts, { loginName, identity, password, origin })
    auditNotes.note({ ...entry, result: 'succeeded' })
    return found
  } catch (error) {
    auditNotes.failed(error, entry)
    throw error
  }
}

async function provePassword(
  parts: Parts,
  asked: {
    readonly loginName: string
    readonly identity: Identity | undefined
    readonly password: Secret
    readonly origin: SignInOrigin
  },
): Promise<Identity> {
  const { catalog, clock } = parts
  const { identity, password } = asked
  const account = attemptKey('account', asked.loginName.toLowerCase())
  const place = attemptKey('address', addressKey(asked.origin.remoteAddress))
  await countAttempt(parts, place, attemptRules.address)
  await countAttempt(parts, account, attemptRules.account)
  if (isCrowded()) throw new Fault('SIGN_IN_LOCKED', { minutes: 1 })
  const verifier =
    identity?.isActive === true ? await catalog.passwords.verifierOf(identity.uid) : undefined
  const { isRight, isOld } = await verifyPassword(password, verifier)
  if (!isRight || identity === undefined) throw new Fault('SIGN_IN_FAILED')
  await catalog.signInAttempts.forgive(account, 'all')
  await catalog.signInAttempts.forgive(place, 'one')
  if (isOld) await catalog.passwords.set(identity.uid, await makeVerifier(password), clock.now())
  return identity
}

async function countAttempt({ catalog, clock }: Parts, key: string, rule: AttemptRule) {
  const now = clock.now()
  const seen = await catalog.signInAttempts.add(key, now, before(now, attemptWindow))
  const minutes = lockedFor(seen, rule, now)
  if (minutes !== undefined) throw new Fault('SIGN_IN_LOCKED', { minutes })
}

/** Hashed: names that people typed, which may be passwords, are not to be read in the catalog. */
const attemptKey = (kind: keyof typeof attemptRules, what: string): string =>
  createHash('sha256').update(`${kind}:${what}`).digest('base64url')

/** Links are 256 random bits, so a plain hash of them is as good as a slow one. */
const hashOf = (link: Secret): string =>
  createHash('sha256').update(link.reveal()).digest('base64url')

const linkLifetime = hours(24)

export interface SetupLink {
  /** What follows `/oidc/setup/` in the address. */
  readonly token: Secret
  readonly identity: Identity
  readonly expireTime: EpochMs
}

/** For a user, by an administrator. */
export async function createSetupLink(
  services: Parts,
  caller: Caller,
  loginName: string,
): Promise<SetupLink> {
  mustBeAllowed(caller, 'createSetupLink')
  const identity = await services.catalog.identities.byLoginName(loginName)
  if (identity === undefined || !identity.isActive) {
    throw new Fault('IDENTITY_NOT_FOUND', { name: printable(loginName) })
  }
  if (identity.kind !== 'USER') {
    const problem = 'a service principal has secrets and no password'
    throw new Fault('FIELD_INVALID', { field: 'user_name', problem })
  }
  return issueSetupLink(services, identity)
}

/** Without a caller: for the start of the server. */
export async function issueSetupLink(
  { catalog, clock }: Parts,
  identity: Identity,
): Promise<SetupLink> {
  const token = new Secret(randomBytes(32).toString('base64url'))
  const createTime = clock.now()
  const expireTime = after(createTime, linkLifetime)
  return catalog.transaction(async (session) => {
    await session.setupLinks.replace({
      hash: hashOf(token),
      identityUid: identity.uid,
      createTime,
      expireTime,
    })
    return { token, identity, expireTime }
  })
}

async function redeemLink(
  { catalog, clock }: Parts,
  link: Secret,
  password: Secret,
  origin: SignInOrigin,
): Promise<Identity> {
  const holder = await catalog.setupLinks.identityOf(hashOf(link), clock.now())
  if (holder === undefined) throw new Fault('SETUP_LINK_DEAD')
  const problem = passwordProblem(password.reveal(), holder.loginName)
  if (problem !== undefined) throw new Fault('PASSWORD_INVALID', { problem })
  const verifier = await makeVerifier(password)
  await catalog.transaction(async (session) => {
    const now = clock.now()
    if (!(await session.setupLinks.use(hashOf(link), now))) throw new Fault('SETUP_LINK_DEAD')
    await session.passwords.set(holder.uid, verifier, now)
    await session.oauthRecords.removeOfIdentity(holder.uid)
    await session.signInAttempts.forgive(
      attemptKey('account', holder.loginName.toLowerCase()),
      'all',
    )
    const entry = signInEntry({ clock }, 'set-password', holder, origin)
    await session.audit.append({ ...entry, result: 'succeeded' })
  })
  return holder
}

/** Expired tokens stay for a day, so that their refusal can say that they expired. */
export async function sweepSignIn({ catalog, clock }: Parts): Promise<void> {
  const now = clock.now()
  await catalog.oauthRecords.forget(before(now, days(1)))
  await catalog.setupLinks.forget(now)
  await catalog.signInAttempts.forget(before(now, attemptWindow))
}
