/** Whether subvolumes can be made, cloned and deleted in a directory: by doing it. */
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { CommandFailed } from '../../lib/subprocess.ts'
import type { Driver } from '../driver.ts'
import { fileSystemName } from '../file-system-name.ts'
import { errorCode } from '../pool-faults.ts'
import { type Probe, usable } from '../probe.ts'

export async function probeBtrfs(directory: string, driver: Driver): Promise<Probe> {
  const name = fileSystemName((await statfs(directory)).type)
  if (name !== 'btrfs') return { isUsable: false, because: `the file system is ${name}` }
  const scratch = await mkdtemp(join(directory, '.probe-'))
  const volume = join(scratch, 'volume')
  const clone = join(scratch, 'clone')
  try {
    await driver.create(volume)
    await driver.clone(volume, clone, { kind: 'whole' })
    await driver.remove(clone)
    await driver.remove(volume)
    return usable
  } catch (error) {
    return { isUsable: false, because: `subvolumes cannot be used: ${problem(error)}` }
  } finally {
    await driver.remove(clone).catch(() => undefined)
    await driver.remove(volume).catch(() => undefined)
    await rm(scratch, { recursive: true, force: true })
  }
}

function problem(error: unknown): string {
  if (errorCode(error) === 'ENOENT') return 'the command btrfs is not installed (btrfs-progs)'
  if (error instanceof CommandFailed) return error.stderr.trim().split('\n').at(-1) ?? ''
  return error instanceof Error ? error.message : String(error)
}
