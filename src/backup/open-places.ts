/** Opens the places of backups: directories of this machine, and buckets. */
import { Fault } from '../domain/faults.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type { BackupPlaces } from '../ports/backups.ts'
import { Archive } from './archive.ts'
import { DirectoryStore } from './directory-store.ts'
import { readPlace } from './read-place.ts'
import { S3Store } from './s3-store.ts'

export const openBackupPlaces = ({
  serviceUser,
  own,
}: {
  /** Whom restored files belong to; `undefined`: to ourselves. */
  readonly serviceUser: ServiceUser | undefined
  /** The state directory: what is in it would go with what is backed up. */
  readonly own: string
}): BackupPlaces => ({
  async open(given) {
    const read = readPlace(given)
    if (read.kind === 's3')
      return new Archive(given.place, await S3Store.open(read.at), serviceUser)
    if (`${read.path}/`.startsWith(`${own}/`)) {
      const problem = "it lies in the server's own state directory"
      throw new Fault('BACKUP_PLACE_INVALID', { place: given.place, problem })
    }
    return new Archive(given.place, new DirectoryStore(read.path), serviceUser)
  },
})
