/** Update, delete and undelete of a project. */
import { isLive } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import {
  type BranchUid,
  type IdentityUid,
  type ProjectPath,
  type ProjectUid,
  parseBranchName,
  projectName,
} from '../domain/names.ts'
import { empty, type OperationResource, renderOperation } from '../domain/operation.ts'
import { type Project, projectDefaults } from '../domain/project.ts'
import { after } from '../lib/time.ts'
import type { Kind } from '../operations/kind.ts'
import type { CatalogSession, NewWork } from '../ports/catalog.ts'
import { type Access, allow, lockProject, may } from './access.ts'
import type { Caller, ProjectSpec } from './actions.ts'
import { sizing } from './create-project.ts'
import { closeBranch, eraseBranch } from './delete-branch.ts'
import { eraseSnapshot } from './delete-snapshot.ts'
import { mustKeepHistory } from './limits.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'
import { viewProject } from './views.ts'
import { recordDone } from './work-done.ts'

export async function updateProject(
  { catalog, clock, policy }: Services,
  caller: Caller,
  path: ProjectPath,
  spec: ProjectSpec,
): Promise<OperationResource> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'updateProject'))
    const now = clock.now()
    const { defaultBranch, endpointDefaults, ...plain } = spec
    if (plain.historyRetention !== undefined) {
      mustKeepHistory('spec.history_retention_duration', plain.historyRetention, policy)
    }
    const changes: Partial<Project> = {
      ...plain,
      ...(defaultBranch === undefined
        ? {}
        : { defaultBranchUid: await defaultBranchOf(session, project, defaultBranch) }),
      ...(endpointDefaults === undefined
        ? {}
        : {
            endpointDefaults: sizing(project.endpointDefaults, endpointDefaults, {
              limits: policy,
              at: 'spec.default_endpoint_settings',
            }),
          }),
      updateTime: now,
    }
    await session.projects.update(project.uid, changes)
    return recordDone(session, {
      caller,
      kind: 'update-project',
      resource: projectName(project.projectId),
      subject: 'Project',
      projectUid: project.uid,
      response: await viewProject({ policy }, session, { ...project, ...changes }),
      now,
    })
  })
}

async function defaultBranchOf(
  session: CatalogSession,
  project: Project,
  name: string,
): Promise<BranchUid> {
  const path = parseBranchName(name)
  if (path.project !== project.projectId) throw new Fault('SOURCE_OTHER_PROJECT')
  const branch = await session.branches.byId(project.uid, path.branch)
  if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
  if (branch.state !== 'READY') {
    throw new Fault('SOURCE_NOT_READY', { branch: branch.branchId, state: branch.state })
  }
  if (branch.expireTime !== undefined) throw new Fault('BRANCH_EXPIRES', { kind: 'the default' })
  return branch.uid
}

export async function deleteProject(
  services: Services,
  caller: Caller,
  path: ProjectPath,
  { purge }: { readonly purge: boolean },
): Promise<OperationResource> {
  return services.catalog.transaction(async (session) => {
    const access = may(caller, 'deleteProject')
    const project = purge
      ? await lockRestorable(session, path, access)
      : await lockProject(session, path, access)
    const [kept] = await session.branches.protectedOf(project.uid)
    if (kept !== undefined) throw new Fault('PROJECT_HAS_PROTECTED', { branch: kept.branchId })
    const work = await retireProject(services, session, project, {
      purge,
      callerUid: caller.identity.uid,
    })
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

/** A live project, or a deleted one that can still be undeleted: a purge may follow a delete. */
async function lockRestorable(
  session: CatalogSession,
  path: ProjectPath,
  access: Access,
): Promise<Project> {
  const found = await session.projects.byId(path.project)
  if (found === undefined) throw new Fault('PROJECT_NOT_FOUND')
  await allow(session, found, access)
  const project = await session.projects.lock(found.uid)
  if (project === undefined || isBeingPurged(project)) throw new Fault('PROJECT_NOT_FOUND')
  return project
}

const isBeingPurged = ({ deleteTime, purgeTime }: Project): boolean =>
  deleteTime !== undefined && purgeTime === undefined

/** Takes the project out of sight and inserts the work that ends it. */
export async function retireProject(
  { clock }: Pick<Services, 'clock'>,
  session: CatalogSession,
  project: Project,
  { purge, callerUid }: { readonly purge: boolean; readonly callerUid: IdentityUid | undefined },
): Promise<NewWork> {
  const now = clock.now()
  await session.projects.update(project.uid, {
    updateTime: now,
    deleteTime: project.deleteTime ?? now,
    purgeTime: purge ? undefined : after(now, projectDefaults.purgeAfter),
  })
  const keys = await keysOf(session, project.uid)
  const work: NewWork = {
    uid: newOperationUid(),
    kind: 'delete-project',
    resource: projectName(project.projectId),
    subject: 'Project',
    projectUid: project.uid,
    callerUid,
    keys,
    input: { project: project.uid, purge },
    createTime: now,
  }
  await session.work.insert(work)
  return work
}

/** So that an operation runs after all that is at work on the project, its branches and snapshots. */
async function keysOf(session: CatalogSession, project: ProjectUid): Promise<readonly string[]> {
  const [branches, snapshots] = [
    await session.branches.all(project),
    await session.snapshots.all(project),
  ]
  return [project, ...[...branches, ...snapshots].map(({ uid }) => uid)]
}

export const deleteProjectKind = (services: Services): Kind => ({
  name: 'delete-project',
  onFailure: 'retry',
  steps: [
    {
      name: 'close',
      async run({ row }) {
        const project = row.input.project as ProjectUid
        for (const { uid } of await services.catalog.branches.all(project)) {
          await closeBranch(services, project, uid, row.input.purge === true)
        }
      },
    },
    {
      name: 'erase',
      async run({ row }) {
        if (row.input.purge !== true) return
        const project = row.input.project as ProjectUid
        for (const { uid } of await services.catalog.branches.all(project)) {
          await eraseBranch(services, project, uid)
        }
        for (const snapshot of await services.catalog.snapshots.all(project)) {
          await eraseSnapshot(services, snapshot)
        }
        await services.catalog.projects.remove(project)
      },
    },
  ],
  finish: () => Promise.resolve(empty),
})

export async function undeleteProject(
  { catalog, clock }: Services,
  caller: Caller,
  path: ProjectPath,
): Promise<OperationResource> {
  return catalog.transaction(async (session) => {
    const project = await lockRestorable(session, path, may(caller, 'undeleteProject'))
    if (project.deleteTime === undefined) throw new Fault('BRANCH_NOT_DELETED', { kind: 'project' })
    const now = clock.now()
    await session.projects.update(project.uid, {
      updateTime: now,
      deleteTime: undefined,
      purgeTime: undefined,
    })
    const work: NewWork = {
      uid: newOperationUid(),
      kind: 'undelete-project',
      resource: projectName(project.projectId),
      subject: 'Project',
      projectUid: project.uid,
      callerUid: caller.identity.uid,
      keys: await keysOf(session, project.uid),
      input: { project: project.uid },
      createTime: now,
    }
    await session.work.insert(work)
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

export const undeleteProjectKind = (services: Services): Kind => ({
  name: 'undelete-project',
  onFailure: 'retry',
  steps: [
    {
      name: 'open',
      async run({ row }) {
        const contexts = await services.catalog.endpoints.everyContext()
        const ours = contexts.filter(
          (context) => context.project.uid === row.input.project && isLive(context),
        )
        await services.door.listen(ours.map(({ endpoint }) => endpoint.address))
      },
    },
  ],
  async finish({ row }) {
    const project = await services.catalog.projects.byUid(row.input.project as ProjectUid)
    if (project === undefined) throw new Fault('PROJECT_NOT_FOUND')
    return viewProject(services, services.catalog, project)
  },
})
