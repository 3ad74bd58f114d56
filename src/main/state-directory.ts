/**
 * The state directory itself: made reachable for who runs Postgres, and the file by which the command
 * line finds a running server.
 */
import { chmod, mkdir, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Layout } from '../domain/layout.ts'
import { writeDurableFile } from '../lib/durable-file.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type { ServerFacts } from './server.ts'

export async function prepareStateDirectory(
  layout: Layout,
  serviceUser: ServiceUser | undefined,
): Promise<void> {
  await mkdir(layout.root, { recursive: true, mode: 0o755 })
  await mkdir(layout.log, { recursive: true, mode: 0o755 })
  await mkdir(layout.keys, { recursive: true, mode: 0o700 })
  if (serviceUser === undefined) return
  await chmod(layout.root, 0o755)
  for (let path = layout.root; path !== dirname(path); path = dirname(path)) {
    const { mode } = await stat(path)
    if ((mode & 0o001) === 0) {
      throw new Error(
        `User ${serviceUser.name}, who runs Postgres, cannot reach ${layout.root}: ${path} is closed to others. Choose another directory with --state-dir (LAKELET_STATE_DIR).`,
      )
    }
  }
}

export const tellWhereWeAre = async (layout: Layout, facts: ServerFacts): Promise<void> =>
  writeDurableFile(
    layout.serverFile,
    `${JSON.stringify({
      pid: facts.pid,
      startTime: await processStart(),
      version: facts.version,
      apiUrl: facts.apiUrl,
      apiHost: new URL(facts.apiUrl).hostname.replace(/^\[|\]$/g, ''),
      apiPort: Number(new URL(facts.apiUrl).port),
      pgPort: facts.pgPort,
      caFile: facts.caFile,
      nodeCaFile: facts.nodeCaFile,
      stateDirectory: facts.stateDirectory,
    })}\n`,
    0o644,
  )

/** Field 22 of /proc/self/stat: with the pid, it names this process and no later one. */
async function processStart(): Promise<string | undefined> {
  const text = await readFile('/proc/self/stat', 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
}
