/**
 * Files without rows and rows without files: found, told, and repaired by rule. Metadata comes first and
 * goes last, so there should be neither; if there are, somebody changed the catalog or the pool by hand, or
 * an older catalog came back. Nothing is deleted on a guess: what may hold data waits, is then set aside,
 * and comes back by itself when a row wants it. Where rows cannot be read, nothing is done at all.
 */
import { isExport } from '../actions/export-branch.ts'
import { type KnownVolume, knownVolumes } from '../actions/known-volumes.ts'
import type { Services } from '../actions/services.ts'
import { planSetAside, planStray, type StrayKind, strayKinds } from '../domain/plan-sweep.ts'
import { failpoint } from '../lib/failpoint.ts'
import { after, type EpochMs, type Millis, rfc3339 } from '../lib/time.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'

export interface SweepRules {
  readonly grace: Millis
  readonly retention: Millis
}

type Parts = Pick<Services, 'catalog' | 'storage' | 'computes' | 'volumes' | 'clock' | 'log'>

export interface Stray {
  readonly kind: StrayKind
  /** Of a volume, a draft, or the endpoint that a compute is of. */
  readonly id: string
}

interface Seen {
  readonly known: ReadonlyMap<VolumeId, KnownVolume>
  readonly strays: readonly Stray[]
  /** Rows whose volume is not there. */
  readonly missing: readonly (KnownVolume & { readonly owner: NonNullable<KnownVolume['owner']> })[]
}

/** Looks, repairs what the rules allow, and returns when to look again: at the slow tick. */
export const straySweeper =
  (services: Parts, rules: SweepRules) => async (): Promise<undefined> => {
    const { catalog, storage, clock, log } = services
    await storage.emptyTrash()
    const devices = await storage.detachStrayDevices()
    if (devices.length > 0) log.warn({ devices }, 'detached loop devices on the image of the pool')
    await comeBack(services, rules)
    const seen = await look(services)
    const now = clock.now()
    await catalog.sightings.replace(seen.strays, now)
    for (const stray of await dated(services, seen.strays, now)) {
      const act = planStray(stray, { now, grace: rules.grace })
      log.warn({ ...stray, act }, 'there is something that no record knows')
      // Not one row in the whole catalog: then it is the catalog that is wrong.
      if (act === 'wait' || seen.known.size === 0) continue
      await attempt(services, stray, () => repair(services, stray, now))
    }
    for (const { volume, owner } of seen.missing) {
      log.error({ volume, ...owner }, 'the data of a branch or snapshot is not in the pool')
    }
    return undefined
  }

/** What was set aside: back to its row, or gone when its time is over. */
async function comeBack(services: Parts, { retention }: SweepRules): Promise<void> {
  const { catalog, storage, volumes, clock, log } = services
  for (const stray of await storage.listSetAside()) {
    await attempt(services, stray, async () => {
      const owner = (await knownVolumes(catalog)).get(stray.id)
      const isWanted = owner !== undefined && !(await storage.hasVolume(stray.id))
      const now = clock.now()
      switch (planSetAside({ since: stray.since, isWanted }, { now, retention })) {
        case 'keep':
          return
        case 'put back':
          if (await catalog.work.isBusy(owner?.lock ?? '')) return
          if (await volumes.run(owner?.lock ?? stray.id, () => storage.putBack(stray.id))) {
            log.warn({ volume: stray.id }, 'put a volume back that its row wants')
          }
          return
        case 'delete':
          await storage.deleteSetAside(stray)
          log.warn({ volume: stray.id }, 'deleted what was set aside, and nobody wanted')
      }
    })
  }
}

/**
 * Files first, rows after them: rows are made before files and go after them, so whatever is there now had
 * its row when rows are read, or is gone by then.
 */
async function look({ catalog, storage, computes }: Parts): Promise<Seen> {
  const volumes = new Set(await storage.listVolumes())
  const wal = (await storage.listWal()).filter((id) => !volumes.has(id))
  const drafts = await storage.listDrafts()
  const traces = await computes.traces()
  const known = await knownVolumes(catalog)
  const endpoints = new Set<string>((await catalog.endpoints.everyContext()).map(uidOf))
  const strays: Stray[] = []
  for (const id of volumes) {
    if (!isStrange(id, known) || (await isMade(catalog, id))) continue
    if (await storage.hasVolume(id)) strays.push({ kind: 'volume', id })
  }
  for (const id of wal) {
    if (!isStrange(id, known) || (await isMade(catalog, id))) continue
    if ((await storage.listWal()).includes(id)) strays.push({ kind: 'wal', id })
  }
  const owners = new Set<string>([...known.keys()].map(lastPart))
  for (const id of drafts) {
    if (owners.has(id) || endpoints.has(id) || id.startsWith('template-')) continue
    if (!(await isMade(catalog, id))) strays.push({ kind: 'draft', id })
  }
  for (const { kind, uid } of traces) {
    if (!endpoints.has(uid)) strays.push({ kind, id: uid })
  }
  const missing: Seen['missing'][number][] = []
  for (const { owner, ...each } of known.values()) {
    if (owner === undefined || volumes.has(each.volume)) continue
    if ((await storage.hasVolume(each.volume)) || (await catalog.work.isBusy(each.lock))) continue
    const now = (await knownVolumes(catalog)).get(each.volume)
    if (now?.owner !== undefined) missing.push({ ...now, owner: now.owner })
  }
  return { known, strays, missing }
}

const uidOf = ({ endpoint }: { readonly endpoint: { readonly uid: string } }): string =>
  endpoint.uid

const isStrange = (id: VolumeId, known: Seen['known']): boolean =>
  !known.has(id) && !id.startsWith('templates/') && !isExport(id)

/** What an operation makes has its row by its end, and is no stray until then. */
const isMade = ({ work }: Pick<CatalogSession, 'work'>, id: string): Promise<boolean> =>
  work.isNamed(lastPart(id))

const lastPart = (id: string): string => id.slice(id.lastIndexOf('/') + 1)

/** Looks once more, under the lock of what it is about to move. */
async function repair(services: Parts, { kind, id }: Stray, now: EpochMs): Promise<void> {
  const { catalog, storage, computes, volumes } = services
  if (await isMade(catalog, id)) return
  const name = lastPart(id)
  await failpoint(`sweep.${kind}:before`)
  switch (kind) {
    case 'volume':
    case 'wal':
      return volumes.run(name, async () => {
        if ((await knownVolumes(catalog)).has(id as VolumeId)) return
        await storage.setAside(id as VolumeId, now)
      })
    case 'draft':
      return storage.deleteDraft(id as DraftId)
    case 'process':
      return computes.endUnknown(id as Parameters<typeof computes.endUnknown>[0])
    case 'run':
    case 'log':
      return computes.forget(id as Parameters<typeof computes.forget>[0])
  }
}

async function dated({ catalog }: Pick<Parts, 'catalog'>, strays: readonly Stray[], now: EpochMs) {
  const sightings = await catalog.sightings.list()
  const since = new Map(sightings.map(({ kind, id, firstTime }) => [`${kind} ${id}`, firstTime]))
  // Postmasters end before what they write to is moved.
  const inOrder = [...strays].sort((one, other) => rank(one) - rank(other))
  return inOrder.map((stray) => ({
    ...stray,
    firstTime: since.get(`${stray.kind} ${stray.id}`) ?? now,
  }))
}

const rank = ({ kind }: Stray): number => (kind === 'process' ? -1 : strayKinds.indexOf(kind))

async function attempt({ log }: Pick<Parts, 'log'>, facts: object, work: () => Promise<unknown>) {
  try {
    await work()
  } catch (error) {
    log.error({ err: error, ...facts }, 'cannot repair what the sweep found')
  }
}

/** For `lakelet status`: as it is now, and what will become of it. */
export async function tellSweep(services: Parts, { grace, retention }: SweepRules) {
  const { catalog, storage, clock } = services
  const seen = await look(services)
  const strays = await dated(services, seen.strays, clock.now())
  const projects = new Map<string, string>()
  for (const { owner } of seen.missing) {
    const uid = owner.projectUid as Parameters<typeof catalog.projects.byUid>[0]
    projects.set(uid, (await catalog.projects.byUid(uid))?.projectId ?? uid)
  }
  return {
    strays: strays.map(({ kind, id, firstTime }) => {
      const due = after(firstTime, grace)
      const first = rfc3339(firstTime)
      return {
        kind,
        id,
        first_seen: first,
        act: planStray({ kind, firstTime }, { now: due, grace }),
        at: rfc3339(due),
      }
    }),
    set_aside: (await storage.listSetAside()).map(({ id, since }) => ({
      volume: id,
      since: rfc3339(since),
      deleted: rfc3339(after(since, retention)),
    })),
    missing: seen.missing.map(({ volume, owner }) => ({
      [owner.kind]: `projects/${projects.get(owner.projectUid)}/${owner.kind === 'branch' ? 'branches' : 'snapshots'}/${owner.id}`,
      volume,
    })),
  }
}
