/** Computes outlive the server: a child process plays a server that is killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../lib/subprocess.ts'
import { millis, systemClock } from '../lib/time.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import { openTestRoom, processesBelow, queryOne, type TestRoom } from './room.fixture.ts'

const repository = resolve(import.meta.dirname, '../..')
let room: TestRoom
let script = ''

beforeAll(async () => {
  room = await openTestRoom()
  const home = join(room.root, 'build')
  await mkdir(home)
  await writeFile(join(home, 'package.json'), '{"type":"module"}')
  await symlink(join(repository, 'node_modules'), join(home, 'node_modules'))
  const compiler = join(repository, 'node_modules', '.bin', 'tsc')
  const build = join(repository, 'tsconfig.build.json')
  await run(compiler, ['-p', build, '--outDir', join(home, 'dist')])
  script = join(home, 'server.js')
  await writeFile(
    script,
    `import { openComputes } from './dist/compute/open-computes.js'
     import { layoutOf } from './dist/domain/layout.js'
     import { createLog } from './dist/lib/log.js'
     import { findServiceUser } from './dist/lib/service-user.js'
     import { systemClock } from './dist/lib/time.js'
     const [root, spec] = process.argv.slice(2)
     const computes = await openComputes({
       layout: layoutOf(root), serviceUser: await findServiceUser(), extensionFiles: [],
       log: createLog('child', root + '/child.log'), clock: systemClock,
     })
     if (process.env.SWEEP_TOOLCHAINS) await computes.sweepToolchains()
     await computes.ensureReady(JSON.parse(spec))
     console.log(JSON.stringify(computes.state(JSON.parse(spec).uid)))
     process.stdin.once('data', () => computes.close('detach').then(() => process.stdin.destroy()))`,
  )
})
afterAll(() => room.close())

function serve(spec: ComputeSpec, failpoints = '', env: Record<string, string> = {}) {
  return spawn(process.execPath, [script, room.root, JSON.stringify(spec)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, LAKELET_FAILPOINTS: failpoints, ...env },
  })
}

/** Starts the compute in a server of its own, which is killed; returns the postmaster's pid. */
async function startAndDie(spec: ComputeSpec): Promise<number> {
  const child = serve(spec)
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  child.kill('SIGKILL')
  await once(child, 'exit')
  return JSON.parse(String(line)).pid
}

const socket = (spec: ComputeSpec) => room.computes.socketDirectory(spec.uid)

describe('a compute whose server was killed', () => {
  test('runs on, is adopted as it is, and is stopped by the next server', async () => {
    const spec = await room.spec('ep-adopt')
    const pid = await startAndDie(spec)
    expect(await queryOne(socket(spec), 'SELECT 1')).toBe(1)
    expect(await room.computes.adopt(spec)).toBe('adopted')
    expect(room.computes.state(spec.uid)).toMatchObject({ kind: 'ready', pid })
    expect(await room.computes.adopt(spec)).toBe('adopted')
    await room.computes.ensureReady(spec)
    expect(room.computes.state(spec.uid)).toMatchObject({ kind: 'ready', pid })
    expect(await room.computes.recoveredTo(spec.uid)).toBeGreaterThan(0n)
    await room.computes.stop(spec.uid, 'fast')
    expect(await processesBelow(spec.dataDirectory)).toEqual([])
  })

  test('is found by the first who needs it, even when nobody adopted it', async () => {
    const spec = await room.spec('ep-found')
    const pid = await startAndDie(spec)
    await Promise.all([room.computes.ensureReady(spec), room.computes.ensureReady(spec)])
    expect(room.computes.state(spec.uid)).toMatchObject({ kind: 'ready', pid })
    await room.computes.stop(spec.uid, 'fast')
  })

  test('is seen to die after it was adopted, and starts again', async () => {
    const spec = await room.spec('ep-orphan')
    const pid = await startAndDie(spec)
    await room.computes.adopt(spec)
    process.kill(pid, 'SIGKILL')
    for (let tries = 0; tries < 500; tries++) {
      if (room.computes.state(spec.uid).kind === 'crashed') break
      await systemClock.sleep(millis(10))
    }
    expect(room.computes.state(spec.uid).kind).toBe('crashed')
    await room.computes.ensureReady(spec)
    await room.computes.stop(spec.uid, 'fast')
  })

  test('that died meanwhile is absent', async () => {
    const spec = await room.spec('ep-gone')
    const pid = await startAndDie(spec)
    process.kill(pid, 'SIGQUIT')
    for (let tries = 0; tries < 500; tries++) {
      if ((await processesBelow(spec.dataDirectory)).length === 0) break
      await systemClock.sleep(millis(10))
    }
    expect(await room.computes.adopt(spec)).toBe('absent')
    expect(room.computes.state(spec.uid).kind).toBe('stopped')
    await room.computes.ensureReady(spec)
    await room.computes.stop(spec.uid, 'fast')
  })

  test.each(['compute.start.prepared', 'compute.start.spawned', 'compute.start.ready'])(
    'at %s starts or is adopted, and nothing strays',
    async (failpoint) => {
      const spec = await room.spec(`ep-${failpoint.replaceAll('.', '-')}`)
      const child = serve(spec, `${failpoint}=kill`)
      await once(child, 'exit')
      await room.computes.ensureReady(spec)
      expect(await queryOne(socket(spec), 'SELECT 1')).toBe(1)
      await room.computes.stop(spec.uid, 'fast')
      expect(await processesBelow(spec.dataDirectory)).toEqual([])
    },
  )
})

test('a server that detaches ends, and its compute does not', async () => {
  const spec = await room.spec('ep-detach')
  const child = serve(spec)
  await once(createInterface({ input: child.stdout }), 'line')
  child.stdin.write('\n')
  await once(child, 'exit')
  expect(child.exitCode).toBe(0)
  expect(await queryOne(socket(spec), 'SELECT 1')).toBe(1)
  await room.computes.adopt(spec)
  await room.computes.stop(spec.uid, 'fast')
})

test('a copy of the toolchain that a crash cut short is made anew', async () => {
  const spec = await room.spec('ep-toolchain', {}, 16)
  const copies = async () =>
    (await readdir(join(room.root, 'toolchains'))).filter((name) => /^(draft-)?16-/.test(name))
  const before = (await copies()).length
  const child = serve(spec, 'compute.toolchain.copied=kill')
  await once(child, 'exit')
  expect((await copies()).filter((name) => name.startsWith('draft-'))).toHaveLength(1)
  await startAndDie(spec)
  expect(await copies()).toHaveLength(before + 1)
  await room.computes.ensureReady(spec)
  await room.computes.stop(spec.uid, 'fast')
})

test('a copy of the toolchain whose removal a crash cut short is removed', async () => {
  const spec = await room.spec('ep-toolchain-old')
  const toolchains = join(room.root, 'toolchains')
  await mkdir(join(toolchains, '15-0.0.0-old'), { recursive: true })
  const others = async () =>
    (await readdir(toolchains)).filter((name) => name.endsWith('15-0.0.0-old'))
  const child = serve(spec, 'compute.toolchain.dropped=kill', { SWEEP_TOOLCHAINS: '1' })
  await once(child, 'exit')
  expect(await others()).toHaveLength(1)
  expect(await others()).not.toEqual(['15-0.0.0-old'])
  await room.computes.sweepToolchains()
  expect(await others()).toEqual([])
})

test('a copy of the toolchain that was complete when its maker died is used', async () => {
  const spec = await room.spec('ep-toolchain-made', {}, 15)
  const copies = async () =>
    (await readdir(join(room.root, 'toolchains'))).filter((name) => /^(draft-)?15-/.test(name))
  const before = await copies()
  const child = serve(spec, 'compute.toolchain.renamed=kill')
  await once(child, 'exit')
  const made = await copies()
  expect(made).toHaveLength(before.length + 1)
  expect(made.filter((name) => name.startsWith('draft-'))).toEqual([])
  await startAndDie(spec)
  expect(await copies()).toEqual(made)
  await room.computes.ensureReady(spec)
  await room.computes.stop(spec.uid, 'fast')
})
