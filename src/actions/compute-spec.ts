/** What the compute of a read-write endpoint is started with. */
import { type Branch, defaultDatabase } from '../domain/branch.ts'
import { settingsForCu } from '../domain/cu.ts'
import { type Endpoint, isReader } from '../domain/endpoint.ts'
import type { Project } from '../domain/project.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import type { VolumeId } from '../ports/storage.ts'
import type { Services } from './services.ts'

export const volumeOf = (project: Pick<Project, 'uid'>, branch: Pick<Branch, 'uid'>): VolumeId =>
  `${project.uid}/${branch.uid}` as VolumeId

export function computeSpec(
  { storage }: Pick<Services, 'storage'>,
  project: Project,
  branch: Pick<Branch, 'uid'>,
  endpoint: Endpoint,
): ComputeSpec {
  if (isReader(endpoint)) throw new Error("a reader never runs on its branch's own volume")
  return {
    uid: endpoint.uid,
    major: project.pgVersion,
    dataDirectory: storage.dataDirectory(volumeOf(project, branch)),
    settings: settingsOf(endpoint),
    firstDatabase: defaultDatabase,
    keepsWal: true,
  }
}

export const settingsOf = (
  endpoint: Pick<Endpoint, 'maxCu' | 'pgSettings'>,
): ComputeSpec['settings'] => ({ ...settingsForCu(endpoint.maxCu), ...endpoint.pgSettings })
