/**
 * Which driver a state directory was begun with, written twice under one id: in the state directory,
 * and as marker inside the pool. Only together are they the pool; the bare mount point of an unmounted
 * pool has no marker, so nothing is ever written beside the branches.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Layout } from '../domain/layout.ts'
import { writeDurableFile } from '../lib/durable-file.ts'
import { isAbsent } from './pool-faults.ts'
import { PoolRefused } from './pool-refused.ts'

const driver = z.enum(['btrfs', 'reflink', 'copy'])

const markerSchema = z.object({ pool: z.string().min(1), driver })
const recordSchema = markerSchema.extend({
  version: z.literal(1),
  /** Size of the image that we made and mount, if we did. */
  imageBytes: z.int().positive().optional(),
  rungs: z.array(z.object({ driver, isTaken: z.boolean(), because: z.string() })).readonly(),
})

export type PoolMarker = Readonly<z.infer<typeof markerSchema>>
export type PoolRecord = Readonly<z.infer<typeof recordSchema>>

export const markerFile = (layout: Layout): string => join(layout.pool, '.lakelet-pool')

export const readRecord = (layout: Layout): PoolRecord | undefined =>
  readJson(layout.storageFile, recordSchema)

export const readMarker = (layout: Layout): PoolMarker | undefined =>
  readJson(markerFile(layout), markerSchema)

export const writeRecord = (layout: Layout, record: PoolRecord): Promise<void> =>
  writeDurableFile(layout.storageFile, `${JSON.stringify(record, undefined, 2)}\n`)

export const writeMarker = (layout: Layout, marker: PoolMarker): Promise<void> =>
  writeDurableFile(markerFile(layout), `${JSON.stringify(marker)}\n`)

/**
 * `undefined` when the file is absent; refuses a file that is not ours to understand. Synchronous on
 * purpose: the marker is asked for a dozen times on the way to a branch, some microseconds each, which as
 * turns through the thread pool would be five milliseconds.
 */
function readJson<T>(path: string, schema: z.ZodType<T>): T | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    throw new PoolRefused(
      `${path} cannot be read: it says which storage this state directory was begun with.`,
      'Restore it from a copy; a newer Lakelet may have written it.',
      { cause: error },
    )
  }
}
