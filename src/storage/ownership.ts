/** Modes and owners as Postgres demands them, whatever the umask of the process is. */
import { chmod, lchown, mkdir } from 'node:fs/promises'
import type { ServiceUser } from '../lib/service-user.ts'
import { errorCode } from './pool-faults.ts'

export async function giveTo(
  path: string,
  mode: number,
  owner: ServiceUser | undefined,
): Promise<void> {
  await chmod(path, mode)
  if (owner !== undefined) await lchown(path, owner.uid, owner.gid)
}

/** A directory on the way to a volume: ours, and the service user may pass through it. */
export async function makePassage(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return
    throw error
  }
  await chmod(path, 0o755)
}
