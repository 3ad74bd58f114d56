import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../lib/time.ts'
import { endUpgrade } from './cluster-upgrade.ts'
import { processTable } from './process-table.ts'

test('what is left of an upgrade is ended, one of other directories is not', async () => {
  const home = await mkdtemp(join(tmpdir(), 'lk-upgrade-'))
  const program = join(home, 'pg_upgrade')
  await writeFile(program, '#!/bin/sh\necho up\nread -r _\n', { mode: 0o755 })
  const start = async (directory: string) => {
    await mkdir(join(home, directory))
    const child = spawn(program, [`--new-datadir=${join(home, directory)}`, '--link'])
    const gone = once(child, 'exit')
    await once(child.stdout, 'data')
    return { child, gone }
  }
  const [mine, other] = [await start('mine'), await start('other')]
  try {
    await endUpgrade({ processes: processTable, clock: systemClock }, [join(home, 'mine')])
    expect((await mine.gone)[1]).toBe('SIGKILL')
    expect(other.child.exitCode).toBeNull()
    expect(other.child.signalCode).toBeNull()
  } finally {
    other.child.kill()
    await other.gone
    await rm(home, { recursive: true })
  }
})
