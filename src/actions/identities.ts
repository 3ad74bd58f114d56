/** Identities, their access tokens, and who may use a project. */
import { createHash, randomBytes } from 'node:crypto'
import { Fault } from '../domain/faults.ts'
import type { Identity, IdentityKind, PermissionLevel } from '../domain/identity.ts'
import { type IdentityUid, type ProjectId, printable } from '../domain/names.ts'
import { Secret } from '../lib/secret.ts'
import { after, type Millis } from '../lib/time.ts'
import { findProject, lockProject } from './access.ts'
import type { AccessEntry, Caller } from './actions.ts'
import { newIdentityUid, newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'

/** Tokens are 256 random bits, so a plain hash of them is as good as a slow one. */
const hashOf = (token: Secret): string =>
  createHash('sha256').update(token.reveal()).digest('base64url')

export async function authenticate(
  { catalog, clock }: Pick<Services, 'catalog' | 'clock'>,
  token: Secret,
): Promise<Identity> {
  const identity = await catalog.accessTokens.identityOf(hashOf(token), clock.now())
  if (identity === undefined) {
    throw new Fault('UNAUTHENTICATED', { problem: 'it is unknown, expired or revoked' })
  }
  return identity
}

export interface NewIdentity {
  readonly kind: IdentityKind
  readonly loginName: string
  readonly displayName: string
}

export async function createIdentity(
  services: Pick<Services, 'catalog' | 'clock'>,
  caller: Caller,
  input: NewIdentity,
): Promise<Identity> {
  mustAdminister(caller, 'create identities')
  return insertIdentity(services, { ...input, isAdmin: false })
}

/** Without a caller: for the first start, which makes the owner. */
export async function insertIdentity(
  { catalog, clock }: Pick<Services, 'catalog' | 'clock'>,
  input: NewIdentity & { readonly isAdmin: boolean },
): Promise<Identity> {
  const problem = loginNameProblem(input)
  if (problem !== undefined) throw new Fault('FIELD_INVALID', { field: 'userName', problem })
  const identity: Identity = {
    uid: newIdentityUid(),
    ...input,
    isActive: true,
    createTime: clock.now(),
  }
  return catalog.transaction(async (session) => {
    if ((await session.identities.byLoginName(input.loginName)) !== undefined) {
      throw new Fault('IDENTITY_EXISTS', { name: input.loginName })
    }
    await session.identities.insert(identity)
    return identity
  })
}

/** A login name becomes a Postgres role: 63 bytes, none of Postgres's or our own reserved names. */
function loginNameProblem({ loginName }: NewIdentity): string | undefined {
  if (loginName === '') return 'it must not be empty'
  if (new TextEncoder().encode(loginName).length > 63) return 'it may have at most 63 bytes'
  if (/[\u0000-\u001f\u007f]/.test(loginName)) return 'it must not have control characters'
  if (/^(pg_|databricks_|lakelet_)|^(cloud_admin|postgres|public|none)$/i.test(loginName)) {
    return `'${printable(loginName)}' is a reserved role name`
  }
  return undefined
}

export async function getIdentity(
  { catalog }: Services,
  _caller: Caller,
  uid: string,
): Promise<Identity> {
  const identity = await catalog.identities.byUid(uid as IdentityUid)
  if (identity === undefined) throw new Fault('IDENTITY_NOT_FOUND', { name: printable(uid) })
  return identity
}

export async function deleteIdentity(
  { catalog }: Services,
  caller: Caller,
  uid: string,
): Promise<Identity> {
  mustAdminister(caller, 'delete identities')
  if (uid === caller.identity.uid) {
    throw new Fault('PERMISSION_DENIED', {
      who: caller.identity.loginName,
      act: 'delete itself',
      permission: 'another administrator',
    })
  }
  return catalog.transaction(async (session) => {
    const identity = await session.identities.byUid(uid as IdentityUid)
    if (identity === undefined) throw new Fault('IDENTITY_NOT_FOUND', { name: printable(uid) })
    await session.identities.remove(identity.uid)
    return identity
  })
}

export async function createAccessToken(
  services: Pick<Services, 'catalog' | 'clock'>,
  caller: Caller,
  input: { readonly comment: string; readonly lifetime?: Millis; readonly forLogin?: string },
): Promise<{ readonly tokenId: string; readonly token: Secret }> {
  const { forLogin } = input
  if (forLogin === undefined) return issueAccessToken(services, caller.identity.uid, input)
  mustAdminister(caller, 'create tokens on behalf of others')
  const identity = await services.catalog.identities.byLoginName(forLogin)
  if (identity === undefined) throw new Fault('IDENTITY_NOT_FOUND', { name: printable(forLogin) })
  return issueAccessToken(services, identity.uid, input)
}

/** Without a caller: for the first start. */
export async function issueAccessToken(
  { catalog, clock }: Pick<Services, 'catalog' | 'clock'>,
  identityUid: IdentityUid,
  { comment, lifetime }: { readonly comment: string; readonly lifetime?: Millis },
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
    })
    return { tokenId, token }
  })
}

function mustAdminister({ identity }: Caller, act: string): void {
  if (identity.isAdmin) return
  throw new Fault('PERMISSION_DENIED', {
    who: identity.loginName,
    act,
    permission: 'the administrator role',
  })
}

export async function getAccess(
  { catalog }: Services,
  caller: Caller,
  id: ProjectId,
): Promise<readonly AccessEntry[]> {
  const project = await findProject(catalog, id, {
    caller,
    needs: 'CAN_USE',
    to: 'see the project',
  })
  return catalog.permissions.list(project.uid)
}

export async function setAccess(
  { catalog }: Services,
  caller: Caller,
  id: ProjectId,
  entries: readonly { readonly loginName: string; readonly level: PermissionLevel }[],
  { replace }: { readonly replace: boolean },
): Promise<readonly AccessEntry[]> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(
      session,
      { project: id },
      { caller, needs: 'CAN_MANAGE', to: 'change permissions' },
    )
    const found = await Promise.all(
      entries.map(async ({ loginName, level }) => {
        const identity = await session.identities.byLoginName(loginName)
        if (identity === undefined) {
          throw new Fault('IDENTITY_NOT_FOUND', { name: printable(loginName) })
        }
        return { identity, level }
      }),
    )
    if (replace) await session.permissions.removeAll(project.uid)
    for (const { identity, level } of found) {
      await session.permissions.set(project.uid, identity.uid, level)
    }
    // Nobody locks himself out: the caller's CAN_MANAGE stays.
    await session.permissions.set(project.uid, caller.identity.uid, 'CAN_MANAGE')
    return session.permissions.list(project.uid)
  })
}
