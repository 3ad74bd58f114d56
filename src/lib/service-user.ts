/**
 * Postgres refuses to run as root, so a root server runs computes and gateway as an unprivileged
 * user; a normal user runs them as itself.
 */
import { readFile } from 'node:fs/promises'
import { run } from './subprocess.ts'

export interface ServiceUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** `undefined`: we are not root, everything runs as ourselves. Makes the user when it is missing. */
export async function findServiceUser(name = 'postgres'): Promise<ServiceUser | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const found = await lookUp(name)
  if (found !== undefined) return found
  await run('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', name])
  const made = await lookUp(name)
  if (made === undefined) throw new Error(`user ${name} was made but is not in /etc/passwd`)
  return made
}

async function lookUp(name: string): Promise<ServiceUser | undefined> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n')
  for (const line of lines) {
    const [user, , uid, gid] = line.split(':')
    if (user === name && uid !== undefined && gid !== undefined) {
      return { name, uid: Number(uid), gid: Number(gid) }
    }
  }
  return undefined
}
