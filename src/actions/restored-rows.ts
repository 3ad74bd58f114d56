/** Rows of a project, a branch and its endpoints as a backup tells them, moved into the limits of this server. */
import type { ExportedEndpoint } from '../domain/backup-catalog.ts'
import type { KnownManifest } from '../domain/backup-manifest.ts'
import type { Branch } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
import { type ProjectId, parseEndpointId } from '../domain/names.ts'
import type { EndpointDefaults, Project } from '../domain/project.ts'
import type { EpochMs } from '../lib/time.ts'
import type { Caller } from './actions.ts'
import { within } from './create-project.ts'
import type { Limits } from './limits.ts'
import { newEndpointUid, newProjectUid } from './new-uid.ts'
import type { Services } from './services.ts'

/** Owned by whoever restores it. */
export function restoredProject(
  { policy }: Pick<Services, 'policy'>,
  caller: Caller,
  projectId: ProjectId,
  { postgres, catalog: { project } }: KnownManifest,
  now: EpochMs,
): Project {
  return {
    uid: newProjectUid(),
    projectId,
    displayName: project.displayName,
    pgVersion: postgres,
    ownerUid: caller.identity.uid,
    historyRetention: within(project.historyRetention, policy.historyRetention),
    defaultBranchUid: undefined,
    endpointDefaults: fitted(project.endpointDefaults, policy),
    enablePgNativeLogin: project.enablePgNativeLogin,
    customTags: project.customTags,
    budgetPolicyId: undefined,
    createTime: now,
    updateTime: now,
    deleteTime: undefined,
    purgeTime: undefined,
  }
}

export const fitted = (
  { minCu, maxCu, suspendTimeout, pgSettings }: EndpointDefaults,
  { cu, suspendTimeout: range }: Limits,
): EndpointDefaults => ({
  minCu: Math.min(minCu, cu.max),
  maxCu: Math.min(maxCu, cu.max),
  suspendTimeout: suspendTimeout === undefined ? undefined : within(suspendTimeout, range),
  pgSettings,
})

/** Their volumes are made by their first start. Those that are there already stay. */
export async function addReaders(
  { catalog, clock, door, log, policy }: Services,
  branch: Pick<Branch, 'uid'>,
  endpoints: readonly ExportedEndpoint[],
): Promise<void> {
  const now = clock.now()
  const addresses = await catalog.transaction(async (session) => {
    const added: string[] = []
    for (const endpoint of endpoints.filter(isReader)) {
      const endpointId = parseEndpointId(endpoint.endpointId)
      if ((await session.endpoints.byId(branch.uid, endpointId)) !== undefined) continue
      const address = await session.endpoints.nextAddress()
      await session.endpoints.insert({
        uid: newEndpointUid(),
        branchUid: branch.uid,
        endpointId,
        type: endpoint.type,
        life: 'READY',
        ...fitted(endpoint, policy),
        isDisabled: endpoint.isDisabled,
        address,
        lastActiveTime: now,
        suspendTime: undefined,
        createTime: now,
        updateTime: now,
      })
      added.push(address)
    }
    return added
  })
  for (const { address, problem } of await door.listen(addresses)) {
    log.warn({ address, problem }, 'cannot listen on an endpoint address')
  }
}
