/**
 * What an import does: a branch from the template, then a dump of the source, then the dump loaded into
 * the branch. Each is a unit: a server that dies goes on after the last finished one, and begins the one
 * that was cut short anew. Whatever fails, and whoever cancels, leaves no trace.
 */
import { Fault } from '../domain/faults.ts'
import type { ImportReport, LeftOut } from '../domain/import-report.ts'
import { type ImportSource, parseImportSource } from '../domain/import-source.ts'
import type { BranchUid, EndpointUid, IdentityUid } from '../domain/names.ts'
import type { Progress } from '../domain/operation.ts'
import type { Millis } from '../lib/time.ts'
import { seconds } from '../lib/time.ts'
import type { Kind, Step, StepContext } from '../operations/kind.ts'
import type { LoadTarget, SourceFacts, TellProgress } from '../ports/transfer.ts'
import { computeSpec } from './compute-spec.ts'
import { branchSteps } from './create-branch.ts'
import type { Prepared } from './fleet.ts'
import { mustFit } from './import-branch.ts'
import type { Services } from './services.ts'
import { viewBranch } from './views.ts'

export function importBranchKind(services: Services, prepared: Prepared): Kind {
  const { catalog, transfers } = services
  const made = Object.fromEntries(branchSteps(services, prepared).map((step) => [step.name, step]))
  const { clone, start, prepare, record } = made
  if (clone === undefined || start === undefined || prepare === undefined || record === undefined) {
    throw new Error('a branch is made by other steps than an import knows')
  }
  return {
    name: 'import-branch',
    onFailure: 'undo',
    isCancellable: true,
    steps: [
      {
        name: 'reserve', // done when accepted; here for its undo, which must come last
        async undo({ row }) {
          await catalog.transaction(async (session) => {
            await session.importSources.remove(row.uid)
            await session.branches.remove(row.input.branch as BranchUid)
          })
        },
      },
      clone,
      start,
      dumpStep(services),
      loadStep(services, { clone, start }),
      prepare,
      {
        name: 'tidy',
        async run(context) {
          const { row } = context
          await transfers.discard(row.uid)
          await catalog.importSources.remove(row.uid)
          const { tables_total, bytes_total } = told(context)
          await tell(context, { phase: 'done', tables_done: tables_total, bytes_done: bytes_total })
        },
      },
      record,
    ],
    async finish(context, session) {
      const found = await session.endpoints.context(endpointUid(context))
      if (found === undefined) throw new Fault('BRANCH_NOT_FOUND')
      return viewBranch(found.project, found.branch)
    },
  }
}

/** The dump is taken when the branch is known to be able to hold what is in it. */
const dumpStep = (services: Services): Step => ({
  name: 'dump',
  async run(context, signal) {
    const { transfers } = services
    const { row } = context
    const schemaOnly = row.input.schemaOnly === true
    await tell(context, { phase: 'preparing' })
    const source = await openSource(services, context)
    const facts = await transfers.inspect(source, signal)
    await mustTake(services, context, facts, signal)
    await tell(context, { phase: 'dumping', ...totals(facts, schemaOnly), left_out: facts.leftOut })
    await transfers.dump({
      operation: row.uid,
      source,
      facts,
      schemaOnly,
      tell: telling(services, context),
      signal,
    })
  },
  async undo({ row }) {
    await services.transfers.discard(row.uid)
  },
})

/** Into a branch as it came from the template: what an attempt before this one loaded is thrown away. */
const loadStep = (
  services: Services,
  { clone, start }: { readonly clone: Step; readonly start: Step },
): Step => ({
  name: 'load',
  async run(context, signal) {
    const { computes, transfers } = services
    if (context.memory.isLoading === true) {
      await computes.forget(endpointUid(context))
      await clone.run?.(context, signal)
      await start.run?.(context, signal)
    }
    context.memory = { ...context.memory, isLoading: true }
    const target = await targetOf(services, context)
    await tell(context, { phase: 'loading', tables_done: 0, bytes_done: 0 })
    await transfers.load({
      operation: context.row.uid,
      target,
      tell: telling(services, context),
      signal,
    })
  },
})

async function openSource(
  { catalog, secrets }: Services,
  { row }: StepContext,
): Promise<ImportSource> {
  const sealed = await catalog.importSources.sealed(row.uid)
  const address = sealed === undefined ? undefined : await secrets.open(sealed)
  if (address === undefined) throw new Fault('SOURCE_FORGOTTEN')
  return parseImportSource(address.reveal())
}

/** The source may have changed since it was asked first. */
async function mustTake(
  services: Services,
  context: StepContext,
  facts: SourceFacts,
  signal: AbortSignal,
): Promise<void> {
  const found = await services.catalog.endpoints.context(endpointUid(context))
  if (found === undefined) throw new Fault('BRANCH_NOT_FOUND')
  mustFit(found.project, facts.major)
  const target = await targetOf(services, context)
  const missing = await services.transfers.missingExtensions(facts, target, signal)
  if (missing.length > 0) throw new Fault('EXTENSIONS_MISSING', { extensions: missing.join(', ') })
}

/** The awake branch, through a manager's role: what that makes belongs to the branch's shared owner. */
async function targetOf(services: Services, context: StepContext): Promise<LoadTarget> {
  const { catalog, computes, roles, volumes } = services
  const { row } = context
  const importer = await catalog.identities.byUid(row.callerUid as IdentityUid)
  if (importer === undefined) throw new Fault('IDENTITY_NOT_FOUND', { name: row.callerUid ?? '' })
  const uid = endpointUid(context)
  const found = await catalog.endpoints.context(uid)
  if (found === undefined) throw new Fault('BRANCH_NOT_FOUND')
  // Started a step ago, unless the server has stopped or died in between.
  await volumes.run(found.branch.uid, () =>
    computes.ensureReady(computeSpec(services, found.project, found.branch, found.endpoint)),
  )
  const socketDirectory = computes.socketDirectory(uid)
  await roles.ensureManager(socketDirectory, importer)
  return { socketDirectory, user: importer.loginName, database: String(row.input.database) }
}

const nothing: ImportReport = {
  phase: 'preparing',
  tables_done: 0,
  tables_total: 0,
  bytes_done: 0,
  bytes_total: 0,
}

const totals = ({ tables }: SourceFacts, schemaOnly: boolean) => ({
  tables_done: 0,
  tables_total: schemaOnly ? 0 : tables.length,
  bytes_done: 0,
  bytes_total: schemaOnly ? 0 : tables.reduce((sum, { bytes }) => sum + bytes, 0),
})

/** On top of what was told before, which is in memory for a server that goes on. */
async function tell(
  context: StepContext,
  news: Partial<ImportReport> & { readonly left_out?: LeftOut },
): Promise<void> {
  const report = { ...told(context), ...news }
  context.memory = { ...context.memory, report }
  context.show(progressOf(report))
  await context.report(report)
}

const told = ({ memory }: StepContext): ImportReport => ({
  ...nothing,
  ...(memory.report as Partial<ImportReport> | undefined),
})

const doing = {
  preparing: 'asking the source',
  dumping: 'dumping tables',
  loading: 'loading tables',
  done: 'loading tables',
} as const satisfies Record<ImportReport['phase'], string>

const progressOf = ({ phase, tables_done: done, tables_total: total }: ImportReport): Progress => ({
  doing: doing[phase],
  done,
  total,
})

const tellEvery: Millis = seconds(1)

/** Not each table: a row of the catalog is written for it. */
function telling({ clock, log }: Services, context: StepContext): TellProgress {
  let last = clock.monotonic()
  let telling: Promise<void> = Promise.resolve()
  return (news) => {
    if (clock.monotonic() - last < tellEvery) return
    last = clock.monotonic()
    telling = telling
      .then(() => tell(context, news))
      .catch((error: unknown) => {
        log.warn({ err: error, operation: context.row.uid }, 'cannot tell how far an import is')
      })
  }
}

const endpointUid = ({ row }: StepContext): EndpointUid => row.input.endpoint as EndpointUid
