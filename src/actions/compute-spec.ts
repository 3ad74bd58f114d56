/** What the compute of a read-write endpoint is started with. */
import { type Branch, defaultDatabase, durabilitySettings } from '../domain/branch.ts'
import { settingsForCu } from '../domain/cu.ts'
import { type Endpoint, isReader } from '../domain/endpoint.ts'
import type { Project } from '../domain/project.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import type { Services } from './services.ts'
import { type Holder, volumeOf } from './volume-of.ts'

export function computeSpec(
  { storage }: Pick<Services, 'storage'>,
  project: Project,
  branch: Holder & Pick<Branch, 'durability'>,
  endpoint: Endpoint,
): ComputeSpec {
  if (isReader(endpoint)) throw new Error("a reader never runs on its branch's own volume")
  return {
    uid: endpoint.uid,
    major: project.pgVersion,
    dataDirectory: storage.dataDirectory(volumeOf(branch)),
    // Below what was set by name: who says synchronous_commit means it.
    settings: { ...durabilitySettings(branch.durability), ...settingsOf(endpoint) },
    firstDatabase: defaultDatabase,
    keepsWal: true,
  }
}

export const settingsOf = (
  endpoint: Pick<Endpoint, 'maxCu' | 'pgSettings'>,
): ComputeSpec['settings'] => ({ ...settingsForCu(endpoint.maxCu), ...endpoint.pgSettings })
