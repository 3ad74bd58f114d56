/**
 * Puts a whole tree on disk. On Linux one `syncfs` of its file system: measured on 1000 files, 5 ms
 * where a thousand fsyncs take 60 to 100 ms (XFS, ext4). Elsewhere every file and directory by itself.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../lib/durable-file.ts'
import { run } from '../lib/subprocess.ts'

export async function syncTree(path: string): Promise<void> {
  if (process.platform === 'linux') await run('sync', ['-f', path])
  else await syncEach(path)
}

async function syncEach(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await syncEach(path)
    else if (entry.isFile()) await syncFile(path)
  }
  await syncDirectory(directory)
}

export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
