/** Reads every page of every relation of a stopped cluster, in pieces that leave others their turn. */
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pageBytes, pageProblem, parseRelationFile } from '../domain/page-checksum.ts'
import type { CheckPages, DamagedPage, PagesChecked } from '../ports/storage.ts'
import { isAbsent } from './pool-faults.ts'

/** Pages of one read: what lies between two turns of the event loop, about a millisecond. */
const pagesARead = 64

export async function checkPages(
  dataDirectory: string,
  { hasChecksums, segmentPages, most, onFile, signal }: CheckPages,
): Promise<PagesChecked> {
  const files = await relationFiles(dataDirectory)
  const damaged: DamagedPage[] = []
  const counts = { pages: 0, damagedPages: 0 }
  for (const [done, { path, ...file }] of files.entries()) {
    signal?.throwIfAborted()
    onFile?.(done, files.length)
    const first = file.segment * segmentPages
    for await (const [page, at] of pagesOf(join(dataDirectory, path), signal)) {
      counts.pages += 1
      const problem = pageProblem(page, first + at, { hasChecksums })
      if (problem === undefined) continue
      counts.damagedPages += 1
      if (damaged.length < most) damaged.push({ ...file, path, block: first + at, problem })
    }
  }
  return { ...counts, damaged }
}

async function relationFiles(dataDirectory: string) {
  const databases = (await readdir(join(dataDirectory, 'base'))).filter((name) =>
    /^\d+$/.test(name),
  )
  const places = [
    { directory: 'global', database: 0 },
    ...databases.map((name) => ({ directory: `base/${name}`, database: Number(name) })),
  ]
  const found = await Promise.all(
    places.map(async ({ directory, database }) =>
      (await readdir(join(dataDirectory, directory))).sort().flatMap((name) => {
        const file = parseRelationFile(name)
        return file === undefined ? [] : [{ ...file, database, path: `${directory}/${name}` }]
      }),
    ),
  )
  return found.flat()
}

/** Whole pages with their place in the file; what follows the last whole one Postgres does not read either. */
async function* pagesOf(
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly [Buffer, number]> {
  let file: FileHandle
  try {
    file = await open(path)
  } catch (error) {
    if (isAbsent(error)) return
    throw error
  }
  try {
    const buffer = Buffer.alloc(pagesARead * pageBytes)
    for (let first = 0; ; first += pagesARead) {
      signal?.throwIfAborted()
      const { bytesRead } = await file.read(buffer, 0, buffer.length, first * pageBytes)
      const pages = Math.floor(bytesRead / pageBytes)
      for (let at = 0; at < pages; at += 1) {
        yield [buffer.subarray(at * pageBytes, (at + 1) * pageBytes), first + at]
      }
      if (pages < pagesARead) return
    }
  } finally {
    await file.close()
  }
}
