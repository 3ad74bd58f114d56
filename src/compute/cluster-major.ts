/**
 * Which major a data directory is of, as initdb wrote it there. It is asked, not remembered: every clone
 * carries it, so a branch of an upgraded branch, a snapshot from before, a reset to a source of another
 * major all run on what they are of.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type PostgresMajor, postgresMajors } from '../domain/project.ts'
import type { ComputeSpec } from '../ports/compute.ts'

/** `undefined`: there is no cluster, or one that nothing here runs. */
export async function majorOf(dataDirectory: string): Promise<PostgresMajor | undefined> {
  const said = await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8').catch(() => '')
  return postgresMajors.find((major) => String(major) === said.trim())
}

export async function withOwnMajor(spec: ComputeSpec): Promise<ComputeSpec> {
  const major = await majorOf(spec.dataDirectory)
  return major === undefined || major === spec.major ? spec : { ...spec, major }
}
