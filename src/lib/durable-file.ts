/**
 * The one module that writes files which must survive a crash: contents before name, name before
 * success. A reader sees the old file or the new one, never half of either.
 */
import { randomBytes } from 'node:crypto'
import { open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Replaces `path` atomically. `mode` defaults to 0600: what we store is nobody else's business. */
export async function writeDurableFile(
  path: string,
  contents: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.draft`
  try {
    const file = await open(draft, 'wx', mode) // 'wx': two writers of one draft is a bug, so fail
    try {
      await file.writeFile(contents)
      await file.sync() // contents before name
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  await syncDirectory(dirname(path)) // the name itself
}

/** Removes what writers left that were killed on the way. Whoever calls is the only writer there. */
export async function removeDrafts(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (/\.[0-9a-f]{12}\.draft$/.test(name)) await rm(join(directory, name), { force: true })
  }
}

/** Makes renames and new names inside a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
