/**
 * How the first start of a clone recovers; see docs/adr/2026-11-23-branch-recovery.md. Either order of the two
 * writes on disk is right: without the first, Postgres fsyncs what is on disk already; without the
 * second, it ends recovery by a checkpoint.
 */
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { controlFilePath, standbySignal } from '../domain/clone-contents.ts'
import { parseControlFile, withFilesSynced } from '../domain/control-file.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { giveTo } from './ownership.ts'

export async function prepareRecovery(
  data: string,
  owner: ServiceUser | undefined,
  /** Its WAL goes on behind a shutdown. */
  goesOn = false,
): Promise<void> {
  const file = await open(join(data, controlFilePath), 'r+')
  try {
    const control = await file.readFile()
    if (parseControlFile(control).state === 'shut down' && !goesOn) return
    const changed = withFilesSynced(control, goesOn)
    // In place: what changes lies in its first sector, which is written whole or not at all.
    if (changed !== undefined) await file.write(changed, 0, changed.length, 0)
  } finally {
    await file.close()
  }
  const signal = join(data, standbySignal)
  await writeFile(signal, '')
  await giveTo(signal, 0o600, owner)
}
