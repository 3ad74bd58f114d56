/** Database credentials: a token whose scope says what the session can really do. */
import { sayDuration } from '../domain/duration.ts'
import { Fault } from '../domain/faults.ts'
import { branchName, type EndpointPath, parseEndpointName, printable } from '../domain/names.ts'
import type { Secret } from '../lib/secret.ts'
import { after, between, type EpochMs, epochMs, seconds } from '../lib/time.ts'
import { findEndpoint, may } from './access.ts'
import type { Caller, CreateCredential } from './actions.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'
import { sessionPrincipal, sessionRight } from './session-rights.ts'

/** What a session with this token may do, in the words of its `scope` claim. */
export const scopes = {
  /** DDL on every object of the branch: identities that may manage the project. */
  full: 'postgres:ddl postgres:write postgres:read',
  /** What the identity's role was granted in SQL, nothing more. */
  granted: 'postgres:connect',
  readOnly: 'postgres:read',
} as const

export async function createCredential(
  { catalog, clock, tokens, policy }: Services,
  caller: Caller,
  input: CreateCredential,
): Promise<{ readonly token: Secret; readonly tokenId: string; readonly expireTime: EpochMs }> {
  const path = endpointPath(input.endpoint)
  const found = await findEndpoint(catalog, path, may(caller, 'createCredential'))
  const { project, branch, endpoint } = found
  const { identity } = caller
  const now = clock.now()
  const expiresAt = input.expireTime ?? after(now, input.lifetime ?? policy.credentialTtl.default)
  const lifetime = between(now, expiresAt)
  const { min, max } = policy.credentialTtl
  // A moment gets a second of grace on either side: clients compute it by a clock of their own.
  const grace = input.expireTime === undefined ? 0 : seconds(1)
  if (lifetime < min - grace || lifetime > max + grace) {
    throw new Fault('TTL_OUT_OF_RANGE', { minimum: sayDuration(min), maximum: sayDuration(max) })
  }
  const principal = await sessionPrincipal(catalog, identity, input.groupName)
  if (principal === undefined) {
    throw new Fault('GROUP_NOT_MEMBER', {
      who: identity.loginName,
      group: printable(input.groupName ?? ''),
    })
  }
  const right = await sessionRight(catalog, project, branch, principal)
  if (right === undefined) {
    throw new Fault('PERMISSION_DENIED', {
      who: principal.loginName,
      act: 'log in',
      permission: 'CAN_USE',
    })
  }
  const tokenId = newOperationUid()
  const token = await tokens.sign({
    subject: identity.loginName,
    audience: endpoint.uid,
    scope: input.narrowing ? scopes.readOnly : right === 'manager' ? scopes.full : scopes.granted,
    branch: branchName(project.projectId, branch.branchId),
    endpoint: input.endpoint,
    tables: input.narrowing?.tables,
    group: input.groupName === undefined ? undefined : principal.loginName,
    tokenId,
    // Never before its identity was made, else it would be taken for that of an earlier one of this
    // name: the clock may have been set back since.
    issuedAt: epochMs(Math.max(now, identity.createTime)),
    expiresAt,
  })
  return { token, tokenId, expireTime: expiresAt }
}

/** A branch name in place of an endpoint name is the common mistake: say so. */
function endpointPath(text: string): EndpointPath {
  if (text === '') throw new Fault('FIELD_REQUIRED', { field: 'endpoint' })
  if (text.split('/').length !== 6) {
    throw new Fault('CREDENTIAL_ENDPOINT_FORM', { value: printable(text) })
  }
  return parseEndpointName(text)
}
