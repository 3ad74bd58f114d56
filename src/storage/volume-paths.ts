/**
 * Where volumes, drafts and their WAL are. Ids become path segments here and nowhere else, so that
 * nothing reaches outside of the pool. Drafts lie as deep as volumes: the relative `pg_wal` link of a
 * draft is right before its rename and after.
 */
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Layout } from '../domain/layout.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import { isAbsent } from './pool-faults.ts'

const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/
/** Names that the pool uses itself beside projects. */
const reserved: ReadonlySet<string> = new Set(['tmp', 'trash', 'strays'])

export interface VolumePaths {
  /** `<pool>/<project>`. */
  readonly group: string
  /** `<pool>/<project>/<branch>`. */
  readonly home: string
  /** PGDATA. */
  readonly data: string
  readonly walGroup: string
  readonly walHome: string
  readonly live: string
}

export interface DraftPaths {
  readonly home: string
  readonly data: string
}

export const draftsDirectory = (layout: Layout): string => join(layout.pool, 'tmp')
export const poolTrash = (layout: Layout): string => join(layout.pool, 'trash')
export const walTrash = (layout: Layout): string => join(layout.wal, 'trash')

/** What no record knew, until somebody wants it back or its time is over. */
export const poolStrays = (layout: Layout): string => join(layout.pool, 'strays')
export const walStrays = (layout: Layout): string => join(layout.wal, 'strays')

/** `undefined` when the id has another form. */
export function parseVolumeId(id: string): readonly [group: string, name: string] | undefined {
  const [group, name, more] = id.split('/')
  if (group === undefined || name === undefined || more !== undefined) return undefined
  if (!SEGMENT.test(group) || !SEGMENT.test(name) || reserved.has(group)) return undefined
  return [group, name]
}

export function volumePaths(layout: Layout, id: VolumeId): VolumePaths {
  const parts = parseVolumeId(id)
  if (parts === undefined) throw new Error(`not a volume id: ${JSON.stringify(id.slice(0, 200))}`)
  const [group, name] = parts
  return {
    group: join(layout.pool, group),
    home: join(layout.pool, group, name),
    data: join(layout.pool, group, name, 'volume'),
    walGroup: join(layout.wal, group),
    walHome: join(layout.wal, group, name),
    live: join(layout.wal, group, name, 'live'),
  }
}

export function draftPaths(layout: Layout, id: DraftId): DraftPaths {
  if (!SEGMENT.test(id)) throw new Error(`not a draft id: ${JSON.stringify(id.slice(0, 200))}`)
  const home = join(draftsDirectory(layout), id)
  return { home, data: join(home, 'volume') }
}

/** What the link `pg_wal` of the volume holds. */
export function walLink(layout: Layout, id: VolumeId): string {
  const { data, live } = volumePaths(layout, id)
  return relative(data, live)
}

/** Every `<a>/<b>` below a directory that can be a volume's id. */
export async function pairsBelow(directory: string): Promise<readonly VolumeId[]> {
  const found: VolumeId[] = []
  for (const group of await readdir(directory, { withFileTypes: true })) {
    if (!group.isDirectory() || parseVolumeId(`${group.name}/x`) === undefined) continue
    let names: readonly string[] = []
    try {
      names = await readdir(join(directory, group.name))
    } catch (error) {
      if (!isAbsent(error)) throw error // pruned meanwhile
    }
    for (const name of names) {
      const id = `${group.name}/${name}`
      if (parseVolumeId(id) !== undefined) found.push(id as VolumeId)
    }
  }
  return found
}
