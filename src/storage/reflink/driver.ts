/**
 * Clones by FICLONE, file by file (XFS, bcachefs, APFS, btrfs without the rights to subvolumes): no
 * privileges, no bytes copied. Not one moment of a running source, so it must be in backup mode.
 */
import { constants } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import type { ServiceUser } from '../../lib/service-user.ts'
import { copyTree } from '../copy-tree.ts'
import type { Driver } from '../driver.ts'
import { giveTo } from '../ownership.ts'
import { syncTree } from '../sync-tree.ts'

export function reflinkDriver(owner: ServiceUser | undefined): Driver {
  return {
    name: 'reflink',
    can: { instantClone: true, atomicClone: false },
    create: async (path) => {
      await mkdir(path)
      await giveTo(path, 0o700, owner)
    },
    clone: (from, to, mode) =>
      copyTree({
        from,
        to,
        mode,
        flags: constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE,
        needsRoom: false,
        owner,
      }),
    sync: syncTree,
    remove: (path) => rm(path, { recursive: true, force: true }),
    reclaim: async () => undefined,
    // What is shared is known to the file system's extent map alone, which Node cannot read.
    exclusiveBytes: async () => undefined,
  }
}
