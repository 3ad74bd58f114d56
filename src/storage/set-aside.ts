/**
 * Volumes that no record knows, out of the way but not lost: `strays/<project>.<branch>.<moment>` in the pool
 * and beside the WAL. Each move is one rename, made durable; a crash between the two leaves WAL that the
 * next sweep finds, and the way back takes the newest of each.
 */
import { readdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Layout } from '../domain/layout.ts'
import { syncDirectory } from '../lib/durable-file.ts'
import { failpoint } from '../lib/failpoint.ts'
import { type EpochMs, epochMs } from '../lib/time.ts'
import type { SetAside, VolumeId } from '../ports/storage.ts'
import { makePassage } from './ownership.ts'
import { exists, isAbsent } from './pool-faults.ts'
import { parseVolumeId, poolStrays, volumePaths, walStrays } from './volume-paths.ts'

/** A volume id, whose slash is the first point, and milliseconds since 1970. */
const NAME = /^([A-Za-z0-9-]+)\.([A-Za-z0-9-]+)\.(\d{1,15})$/

export function parseStray(name: string): SetAside | undefined {
  const [, group, branch, since] = NAME.exec(name) ?? []
  const id = `${group}/${branch}`
  if (since === undefined || parseVolumeId(id) === undefined) return undefined
  return { id: id as VolumeId, since: epochMs(Number(since)) }
}

const nameOf = ({ id, since }: SetAside): string => `${id.replace('/', '.')}.${since}`

/** Absent is success, of the volume as of its WAL. */
export async function setAside(layout: Layout, id: VolumeId, now: EpochMs): Promise<void> {
  const { data, walHome } = volumePaths(layout, id)
  const name = nameOf({ id, since: now })
  await failpoint('storage.set-aside:before')
  await move(data, join(poolStrays(layout), name))
  await failpoint('storage.set-aside:between')
  await move(walHome, join(walStrays(layout), name))
  await failpoint('storage.set-aside:after')
}

/** The oldest first. */
export async function listSetAside(layout: Layout): Promise<readonly SetAside[]> {
  const names = new Set<string>()
  for (const directory of [poolStrays(layout), walStrays(layout)]) {
    for (const name of await readdir(directory)) names.add(name)
  }
  return [...names]
    .map(parseStray)
    .filter((found) => found !== undefined)
    .sort((one, other) => one.since - other.since)
}

/** `false`: there is no volume of this id among them. What is in its place already stays. */
export async function putBack(layout: Layout, id: VolumeId): Promise<boolean> {
  const { data, home, group, walHome, walGroup } = volumePaths(layout, id)
  if (await exists(data)) return false
  const all = (await listSetAside(layout)).filter((stray) => stray.id === id).reverse()
  const volume = await newest(all, poolStrays(layout))
  if (volume === undefined) return false
  const wal = await newest(all, walStrays(layout))
  // WAL before data: a volume that is found has its WAL.
  if (wal !== undefined && !(await exists(walHome))) {
    await makePassage(walGroup)
    await move(wal, walHome)
  }
  await failpoint('storage.put-back:between')
  await makePassage(group)
  await makePassage(home)
  await move(volume, data)
  await syncDirectory(group)
  return true
}

/** Where the bytes of one of them are, for whoever deletes them. */
export async function placesOf(layout: Layout, stray: SetAside) {
  const [volume, wal] = [poolStrays(layout), walStrays(layout)].map((at) => join(at, nameOf(stray)))
  return { volume: volume ?? '', wal: wal ?? '' }
}

async function newest(all: readonly SetAside[], directory: string): Promise<string | undefined> {
  for (const stray of all) {
    const path = join(directory, nameOf(stray))
    if (await exists(path)) return path
  }
  return undefined
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (isAbsent(error) && !(await exists(from))) return
    throw error
  }
  await Promise.all([syncDirectory(dirname(from)), syncDirectory(dirname(to))])
}
