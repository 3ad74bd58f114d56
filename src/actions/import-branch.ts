/**
 * Import: a new root branch of the project, filled from another Postgres. The source is asked before
 * anything is written, so what is wrong with it is said at once; its address waits sealed until the
 * import is over. The work itself is in `import-kind.ts`.
 */
import { expireTimeOf } from '../domain/expiration.ts'
import { Fault } from '../domain/faults.ts'
import { type ImportSource, isSocketDirectory, parseImportSource } from '../domain/import-source.ts'
import type { BranchId, ProjectId } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import { databaseNameProblem } from '../domain/sql-name.ts'
import type { Secret } from '../lib/secret.ts'
import { deadline, type EpochMs, minutes } from '../lib/time.ts'
import { findProject, lockProject, may, mustBeAllowed } from './access.ts'
import type { Caller, Expiration } from './actions.ts'
import { mayWakeOneMore } from './active-limit.ts'
import { newBranch, reserveBranch } from './create-branch.ts'
import { mayAddBranch, mayAddRoot } from './limits.ts'
import type { Services } from './services.ts'
import { boundsFor } from './ttl-policy.ts'

export interface ImportBranch {
  readonly project: ProjectId
  readonly branchId: BranchId
  readonly spec: {
    /** A Postgres URL, its password included. */
    readonly source: Secret
    readonly schemaOnly: boolean
    /** What the source's database is called in the branch; default: as in the source. */
    readonly database?: string
    /** Default: never. */
    readonly expiration?: Expiration
  }
}

/** For connecting and one query. */
const inspectPatience = minutes(1)

export async function importBranch(
  services: Services,
  caller: Caller,
  input: ImportBranch,
): Promise<OperationResource> {
  const { catalog, clock, policy, storage, secrets, transfers } = services
  const { spec } = input
  const access = may(caller, 'importBranch')
  const seen = await findProject(catalog, input.project, access)
  const source = parseImportSource(spec.source.reveal())
  await mayReach(services, caller, source)
  const database = databaseOf(spec.database ?? source.database)
  if ((await catalog.branches.byId(seen.uid, input.branchId)) !== undefined) {
    throw new Fault('BRANCH_EXISTS')
  }
  const bounds = await boundsFor(catalog, policy, seen, input.branchId, caller.identity.uid)
  const usual =
    bounds.mustEnd && bounds.default !== undefined
      ? { kind: 'ttl' as const, ttl: bounds.default }
      : { kind: 'never' as const }
  const expireTimeAt = (now: EpochMs) =>
    expireTimeOf(spec.expiration ?? usual, { createTime: now, now, ...bounds })
  expireTimeAt(clock.now()) // known now, so said now
  await mayAddRoot(catalog, seen, policy)
  const { major } = await transfers.inspect(source, deadline(inspectPatience))
  mustFit(seen, major)
  await transfers.mustHaveTools(major)
  const sealed = await secrets.seal(spec.source)
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, input, access)
    if ((await session.branches.byId(project.uid, input.branchId)) !== undefined) {
      throw new Fault('BRANCH_EXISTS')
    }
    const now = clock.now()
    await mayAddRoot(session, project, policy)
    await mayAddBranch(session, project, policy)
    await mayWakeOneMore(services, session, project)
    await storage.checkRoom()
    const { work } = await reserveBranch(session, {
      project,
      branch: {
        ...newBranch(project, caller, input.branchId, now),
        state: 'IMPORTING',
        isImported: true,
        expireTime: expireTimeAt(now),
      },
      kind: 'import-branch',
      caller,
      now,
    })
    await session.importSources.insert(work.uid, sealed)
    await session.work.insert({
      ...work,
      input: { ...work.input, database, schemaOnly: spec.schemaOnly },
    })
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

/**
 * The server connects as the user who runs computes, and a local Postgres may let that user in for what it
 * is. The sockets of our own computes ask for nothing at all: nobody reaches them this way.
 */
async function mayReach(
  { transfers }: Services,
  caller: Caller,
  { host }: ImportSource,
): Promise<void> {
  if (!isSocketDirectory(host)) return
  mustBeAllowed(caller, 'importBranch/fromSocket')
  if (await transfers.isOurs(host)) {
    const problem = 'its socket is one of this server; branch from that branch instead'
    throw new Fault('SOURCE_UNREADABLE', { problem })
  }
}

function databaseOf(name: string): string {
  // `postgres` is there in every branch, and usable like any other.
  const problem = name === 'postgres' ? undefined : databaseNameProblem(name)
  if (problem !== undefined) throw new Fault('FIELD_INVALID', { field: 'spec.database', problem })
  return name
}

export function mustFit({ pgVersion }: Pick<Project, 'pgVersion'>, source: number): void {
  if (source > pgVersion) throw new Fault('SOURCE_TOO_NEW', { source, major: pgVersion })
}
