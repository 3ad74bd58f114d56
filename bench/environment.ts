/** The machine and the programs that numbers belong to; without them a number says nothing. */
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { run } from './commands.ts'
import type { LakeletServer } from './lakelet-server.ts'
import { connectToSocket, socketOf, wake } from './login.ts'
import { findPgbench } from './pgbench.ts'
import { median, p95 } from './statistics.ts'
import { readable, readableBytes } from './tables.ts'

export async function describeMachine(server: LakeletServer): Promise<readonly string[]> {
  const production = 'projects/store/branches/production'
  await wake(server, production)
  const client = await connectToSocket(await socketOf(server, production))
  const { rows } = await client.query('select version() as text')
  await client.end()
  const pool = join(server.stateDir, 'pool')
  return [
    `CPU: ${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores`,
    `Memory: ${readableBytes(totalmem())}`,
    `System: Linux ${release()}, ${distribution()}`,
    `State directory, WAL, catalog: ${await fileSystemOf(server.stateDir)}; ${syncTime(server.stateDir)}`,
    `Pool: ${await fileSystemOf(pool)}; ${syncTime(pool)}`,
    `Node ${process.versions.node}`,
    `${String(rows[0].text).replace(/ on .*/, '')}; ${(await run(findPgbench(), ['--version'])).trim()}`,
    `${(await run('btrfs', ['--version'])).trim().split('\n')[0]}`,
  ]
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

async function fileSystemOf(path: string): Promise<string> {
  const [type, source, options] = (
    await run('findmnt', ['-n', '-o', 'FSTYPE,SOURCE,OPTIONS', '-T', path])
  )
    .trim()
    .split(/\s+/)
  return `${type} on ${source?.startsWith('/dev/loop') ? 'a loop device' : source} (${options})`
}

/** What one commit cannot be quicker than: 8 kB written over and put on disk. */
function syncTime(directory: string): string {
  const place = mkdtempSync(join(directory, 'sync-'))
  try {
    const file = openSync(join(place, 'page'), 'w')
    const times = Array.from({ length: 200 }, () => {
      const began = performance.now()
      writeSync(file, Buffer.alloc(8192, 1), 0, 8192, 0)
      fdatasyncSync(file)
      return performance.now() - began
    })
    closeSync(file)
    return `8 kB and fdatasync p50 ${readable(median(times))} ms, p95 ${readable(p95(times))} ms`
  } finally {
    rmSync(place, { recursive: true })
  }
}

/** The commit that is measured. */
export async function commit(root: string): Promise<string> {
  const [hash, changes] = await Promise.all([
    run('git', ['rev-parse', '--short=10', 'HEAD'], { cwd: root }),
    run('git', ['status', '--porcelain', '--', 'src', 'package-lock.json'], { cwd: root }),
  ]).catch(() => ['unknown', ''])
  return changes?.trim() === '' ? (hash ?? '').trim() : `${hash?.trim()} with local changes`
}

/** A busy machine measures its neighbours. */
export const load = (): string => readable(loadavg()[0] ?? Number.NaN)
