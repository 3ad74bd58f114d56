/**
 * The live WAL of a volume, on the ordinary file system: its fsyncs cost a third there of what they
 * cost on a copy-on-write pool. A draft's `pg_wal` is a relative link to it.
 */
import { readFileSync } from 'node:fs'
import { lchown, lstat, mkdir, readdir, readFile, readlink, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { parseBackupLabel } from '../domain/backup-label.ts'
import { controlFilePath } from '../domain/clone-contents.ts'
import { type ControlFile, parseControlFile } from '../domain/control-file.ts'
import type { Layout } from '../domain/layout.ts'
import { earliest, type Lsn, latest, lsn } from '../domain/lsn.ts'
import { isSegmentFile, parseSegmentName, segmentName } from '../domain/wal.ts'
import { syncDirectory } from '../lib/durable-file.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type { DraftId, VolumeId, WalExtent } from '../ports/storage.ts'
import { giveTo, makePassage } from './ownership.ts'
import { exists, isAbsent } from './pool-faults.ts'
import { draftPaths, type VolumePaths, volumePaths, walLink } from './volume-paths.ts'
import { type CopiedWal, copyWalFiles, findSegmentSize } from './wal-copy.ts'

export class LiveWal {
  readonly #layout: Layout
  readonly #owner: ServiceUser | undefined

  constructor(layout: Layout, owner: ServiceUser | undefined) {
    this.#layout = layout
    this.#owner = owner
  }

  /**
   * A clone comes without WAL. A draft of `initdb` has it in a real directory, and its cluster cannot
   * start without: that WAL moves.
   */
  async link(draft: DraftId, to: VolumeId): Promise<void> {
    const { data } = draftPaths(this.#layout, draft)
    const { live, walGroup, walHome } = volumePaths(this.#layout, to)
    const place = join(data, 'pg_wal')
    const target = walLink(this.#layout, to)
    const held = await whatIs(place)
    if (held.kind === 'link' && held.target === target && (await exists(live))) return

    await makePassage(walGroup)
    await makePassage(walHome)
    await rm(live, { recursive: true, force: true }) // of an attempt that a crash cut short
    await mkdir(live)
    await giveTo(live, 0o700, this.#owner)
    if (held.kind === 'directory') {
      await this.#copyInto(place, live, controlFileOf(data))
      await rm(place, { recursive: true })
    } else {
      await rm(place, { force: true })
    }
    await symlink(target, place)
    if (this.#owner !== undefined) await lchown(place, this.#owner.uid, this.#owner.gid)
  }

  async copy(
    source: VolumeId,
    draft: DraftId,
    to: VolumeId,
    fromLsn: bigint | undefined,
    untilLsn: bigint | undefined,
  ): Promise<CopiedWal> {
    const { data } = draftPaths(this.#layout, draft)
    const control = controlFileOf(data)
    const { live } = volumePaths(this.#layout, to)
    const start = fromLsn === undefined ? await labelledStart(data) : lsn(fromLsn)
    const until = untilLsn === undefined ? undefined : lsn(untilLsn)
    return this.#copyInto(volumePaths(this.#layout, source).live, live, control, start, until)
  }

  /** Where recovery of this data directory begins. */
  async recoveryStart(data: string): Promise<Lsn> {
    return (await labelledStart(data)) ?? controlFileOf(data).redo
  }

  async extent(id: VolumeId): Promise<WalExtent | undefined> {
    const { live } = volumePaths(this.#layout, id)
    const names = (await namesIn(live)).filter(isSegmentFile)
    if (names.length === 0) return undefined
    const segmentSize = await findSegmentSize(live, names)
    const [first, ...rest] = names.flatMap(
      (name) => parseSegmentName(name, segmentSize)?.number ?? [],
    )
    if (first === undefined) return undefined
    const size = BigInt(segmentSize)
    return { oldest: earliest(first, ...rest) * size, newest: (latest(first, ...rest) + 1n) * size }
  }

  /** Oldest first, so that a crash in between leaves no gap. Answers how many. */
  async removeBefore(id: VolumeId, position: bigint): Promise<number> {
    const { live } = volumePaths(this.#layout, id)
    const names = (await namesIn(live)).filter(isSegmentFile)
    if (names.length === 0) return 0
    const size = await findSegmentSize(live, names)
    const goes = names
      .flatMap((name) => parseSegmentName(name, size) ?? [])
      .filter(({ number }) => (number + 1n) * BigInt(size) <= position)
      .sort((one, other) => (one.number < other.number ? -1 : 1))
    if (goes.length > 0) await failpoint('storage.remove-wal:before')
    for (const file of goes) await rm(join(live, segmentName(file, size)), { force: true })
    if (goes.length > 0) await failpoint('storage.remove-wal:after')
    return goes.length
  }

  /** The volume whose WAL a draft is linked to, if it is; as path. */
  async linkedFrom(draft: DraftId): Promise<string | undefined> {
    const held = await whatIs(join(draftPaths(this.#layout, draft).data, 'pg_wal'))
    return held.kind === 'link' ? held.target : undefined
  }

  /** Names on the way to a volume's WAL; its segments were synced one by one. */
  async syncNames({ live, walHome, walGroup }: VolumePaths): Promise<void> {
    const sync = async (directory: string) => {
      try {
        await syncDirectory(directory)
      } catch (error) {
        if (!isAbsent(error)) throw error // a volume whose WAL was never linked out
      }
    }
    await Promise.all([live, walHome, walGroup, this.#layout.wal].map(sync))
  }

  async #copyInto(
    from: string,
    to: string,
    control: ControlFile,
    start: Lsn = control.redo,
    until?: Lsn,
  ): Promise<CopiedWal> {
    return await copyWalFiles({
      ...(until === undefined ? {} : { until }),
      from,
      to,
      start,
      through: control.checkpoint,
      timeline: control.timeline,
      owner: this.#owner,
    })
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (isAbsent(error)) return []
    throw error
  }
}

/**
 * Where recovery begins when the source has never been started since it was cloned in backup mode, as
 * snapshots never are: its label came along, and goes before pg_control.
 */
async function labelledStart(data: string): Promise<Lsn | undefined> {
  try {
    const label = await readFile(join(data, 'backup_label'), 'utf8')
    const start = parseBackupLabel(label)
    if (start === undefined) throw new Error('the backup_label of a clone cannot be read')
    return start
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** Synchronous on purpose: two pages, read twice on the way to a branch. */
export const controlFileOf = (data: string): ControlFile =>
  parseControlFile(readFileSync(join(data, controlFilePath)))

type Held =
  | { readonly kind: 'absent' | 'directory' }
  | { readonly kind: 'link'; readonly target: string }

async function whatIs(path: string): Promise<Held> {
  try {
    const seen = await lstat(path)
    return seen.isSymbolicLink()
      ? { kind: 'link', target: await readlink(path) }
      : { kind: 'directory' }
  } catch (error) {
    if (isAbsent(error)) return { kind: 'absent' }
    throw error
  }
}
