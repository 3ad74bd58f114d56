/** A file system of its own in a sparse file, for a driver that this machine's disk does not offer. */
import { chmodSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './commands.ts'
import type { Endings } from './endings.ts'

/** Mounted at the returned directory until the endings run. Throws with the reason when it cannot. */
export async function mountXfs(home: string, bytes: number, endings: Endings): Promise<string> {
  if (process.getuid?.() !== 0) throw new Error('only root may mount an image')
  const directory = join(home, 'xfs')
  const image = join(home, 'xfs.img')
  mkdirSync(directory)
  writeFileSync(image, '')
  truncateSync(image, bytes)
  await run('mkfs.xfs', ['-q', '-m', 'reflink=1', image])
  const device = (await run('losetup', ['--find', '--show', '--direct-io=on', image])).trim()
  try {
    await run('mount', ['-t', 'xfs', '-o', 'noatime', device, directory])
    endings.add(async () => {
      await run('umount', [directory])
    })
  } finally {
    await run('losetup', ['--detach', device]) // goes with the last unmount
  }
  chmodSync(directory, 0o755)
  return directory
}
