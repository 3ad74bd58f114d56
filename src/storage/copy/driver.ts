/**
 * Plain copies: the rung that works everywhere, without privileges. A branch costs the time and the
 * room of its data, and the source must be in backup mode while it is copied.
 */
import { constants } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import type { ServiceUser } from '../../lib/service-user.ts'
import { allocatedBytes } from '../allocated-bytes.ts'
import { copyTree } from '../copy-tree.ts'
import type { Driver } from '../driver.ts'
import { giveTo } from '../ownership.ts'
import { syncTree } from '../sync-tree.ts'

export function copyDriver(owner: ServiceUser | undefined): Driver {
  return {
    name: 'copy',
    can: { instantClone: false, atomicClone: false },
    create: async (path) => {
      await mkdir(path)
      await giveTo(path, 0o700, owner)
    },
    clone: (from, to, mode) =>
      copyTree({ from, to, mode, flags: constants.COPYFILE_EXCL, needsRoom: true, owner }),
    sync: syncTree,
    remove: (path) => rm(path, { recursive: true, force: true }),
    reclaim: async () => undefined,
    exclusiveBytes: allocatedBytes,
  }
}
