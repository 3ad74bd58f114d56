/**
 * How a copy that has more WAL than it was cloned with replays it. Postgres recovers a cluster that was in
 * production as after a crash first: to the end of all WAL that lies there, past any point that was asked
 * for. A control file that says until where the files run ahead of it sends it into archive recovery at
 * once, and so does the label of a backup, or a shutdown.
 */
import { existsSync } from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { controlFilePath, standbySignal } from '../domain/clone-contents.ts'
import { withMinimumRecovery } from '../domain/control-file.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { giveTo } from './ownership.ts'

/**
 * `consistent`: from this position on the files are of one moment; `undefined`: all of the WAL is replayed,
 * which may end on the very page where the clone's did.
 */
export async function prepareReplay(
  data: string,
  consistent: { readonly position: bigint; readonly timeline: number } | undefined,
  owner: ServiceUser | undefined,
): Promise<void> {
  if (consistent !== undefined && !existsSync(join(data, 'backup_label'))) {
    const file = await open(join(data, controlFilePath), 'r+')
    try {
      const changed = withMinimumRecovery(await file.readFile(), consistent)
      // In place: what changes lies in its first sector, which is written whole or not at all.
      if (changed !== undefined) await file.write(changed, 0, changed.length, 0)
    } finally {
      await file.close()
    }
  }
  const signal = join(data, standbySignal)
  await writeFile(signal, '')
  await giveTo(signal, 0o600, owner)
}
