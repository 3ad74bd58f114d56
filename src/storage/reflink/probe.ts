/** Whether the file system of a directory clones files: by doing it. */
import { constants } from 'node:fs'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../pool-faults.ts'
import { type Probe, usable } from '../probe.ts'

export async function probeReflink(directory: string): Promise<Probe> {
  const scratch = await mkdtemp(join(directory, '.probe-'))
  try {
    const file = join(scratch, 'file')
    await writeFile(file, Buffer.alloc(4096, 1))
    await copyFile(file, join(scratch, 'clone'), constants.COPYFILE_FICLONE_FORCE)
    return usable
  } catch (error) {
    const code = errorCode(error)
    if (code === undefined) throw error
    return { isUsable: false, because: `the file system cannot clone files (${code})` }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
