/** Identities: made, found, deleted. */
import { Fault } from '../domain/faults.ts'
import type { Identity, IdentityKind } from '../domain/identity.ts'
import { type IdentityUid, printable } from '../domain/names.ts'
import { principalNameProblem } from '../domain/principal.ts'
import { mustAdminister } from './access.ts'
import type { Caller } from './actions.ts'
import { newIdentityUid } from './new-uid.ts'
import type { Services } from './services.ts'

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
  const problem = principalNameProblem(input.loginName)
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
