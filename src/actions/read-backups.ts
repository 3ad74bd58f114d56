/** What lies at a place of backups, and whether it is whole. */
import { type BackupListing, renderListing } from '../domain/backup.ts'
import { Fault } from '../domain/faults.ts'
import type { ProjectUid } from '../domain/names.ts'
import { printable } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Kind } from '../operations/kind.ts'
import type { BackupArchive, BackupPlace } from '../ports/backups.ts'
import type { JsonObject, NewWork } from '../ports/catalog.ts'
import { mustBeAllowed } from './access.ts'
import type { Caller } from './actions.ts'
import { countingProgress, placeIn, withArchive } from './backup-work.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'

export async function listBackups(
  services: Services,
  caller: Caller,
  place: BackupPlace,
): Promise<BackupListing> {
  mustBeAllowed(caller, 'listBackups')
  return withArchive(services, place, async (archive) => {
    const owner = await archive.owner()
    if (owner === undefined) throw notFound(archive)
    return renderListing(owner, await archive.manifests())
  })
}

export const notFound = ({ place }: Pick<BackupArchive, 'place'>): Fault =>
  new Fault('BACKUP_NOT_FOUND', { place: printable(place) })

export async function verifyBackups(
  services: Services,
  caller: Caller,
  place: BackupPlace,
): Promise<OperationResource> {
  const { catalog, clock } = services
  mustBeAllowed(caller, 'verifyBackups')
  await withArchive(services, place, async (archive) => {
    if ((await archive.owner()) === undefined) throw notFound(archive)
  })
  const work: NewWork = {
    uid: newOperationUid(),
    kind: 'verify-backups',
    resource: 'backups',
    subject: 'Backup',
    projectUid: '' as ProjectUid, // of no project here: the backup may be another machine's
    callerUid: caller.identity.uid,
    keys: [],
    input: { place: place.place, endpoint_url: place.endpointUrl ?? null },
    createTime: clock.now(),
  }
  return catalog.transaction(async (session) => {
    await session.work.insert(work)
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

/** That the last of a chain is gone, the chain itself cannot tell; who wrote it can. */
async function missingLast(
  { catalog }: Pick<Services, 'catalog'>,
  archive: BackupArchive,
): Promise<readonly string[]> {
  const seen = await archive.lastWritten()
  if (seen === undefined) return []
  const known = await catalog.backups.last(seen.branch, archive.place)
  if (known === undefined || known.sequence <= seen.sequence) return []
  return [`manifest ${known.sequence}, which this server wrote, is missing`]
}

export const verifyBackupsKind = (services: Services): Kind => ({
  name: 'verify-backups',
  onFailure: 'undo',
  steps: [
    {
      name: 'read',
      async run(context, signal) {
        const { effort } = countingProgress(context, 'reading', signal)
        await withArchive(services, placeIn(context.row.input), async (archive) => {
          const { objects, bytes, problems: found } = await archive.verify(effort)
          const problems = [...(await missingLast(services, archive)), ...found]
          context.memory = { is_whole: problems.length === 0, objects, bytes, problems }
        })
      },
    },
  ],
  finish: async ({ memory, row }): Promise<JsonObject> => ({
    place: String(row.input.place),
    ...memory,
  }),
})
