/** The way from a fresh clone to a running program: `lakelet`, `scripts/setup.mjs`, `scripts/start.mjs`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')

let clone: string
let running: ChildProcess[]

/** Everything that the scripts look at, around a program small enough to build in no time. */
beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'lakelet clone-'))
  running = []
  for (const path of ['lakelet', 'scripts', 'package.json', 'package-lock.json']) {
    await cp(join(root, path), join(clone, path), { recursive: true })
  }
  for (const path of ['tsconfig.json', 'tsconfig.build.json']) {
    await cp(join(root, path), join(clone, path))
  }
  await mkdir(join(clone, 'src/main'), { recursive: true })
  await writeProgram('console.log(JSON.stringify(process.argv.slice(2)))')
})

afterEach(async () => {
  for (const child of running) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
  await rm(clone, { recursive: true })
})

const writeProgram = (text: string) => writeFile(join(clone, 'src/main/lakelet.ts'), `${text}\n`)
const linkPackages = () => symlink(join(root, 'node_modules'), join(clone, 'node_modules'))

function start(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const child = spawn(command, args, {
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', HOME: clone, ...env },
  })
  running.push(child)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, stdout, stderr }))
  return { child, ended }
}

const lakelet = (args: readonly string[], env?: Readonly<Record<string, string>>) =>
  start(join(clone, 'lakelet'), args, env).ended

describe('lakelet from a clone', () => {
  test('builds once, passes every argument on, and keeps standard output clean', async () => {
    await linkPackages()
    const args = ['a b', '', '--x=$HOME', "it's"]
    const first = await lakelet(args)
    expect(first).toEqual({
      code: 0,
      stdout: `${JSON.stringify(args)}\n`,
      stderr: 'Building Lakelet…\n',
    })
    expect(await lakelet(args)).toEqual({ ...first, stderr: '' })
  })

  test('runs through symbolic links and from the PATH', async () => {
    await linkPackages()
    const bin = join(clone, 'bin')
    await mkdir(bin)
    await symlink('../lakelet', join(bin, 'inner'))
    await symlink(join(bin, 'inner'), join(bin, 'lakelet'))
    expect((await start(join(bin, 'lakelet'), ['1']).ended).stdout).toBe('["1"]\n')
    const PATH = `${bin}:${process.env.PATH}`
    expect((await start('sh', ['-c', 'lakelet 2'], { PATH }).ended).stdout).toBe('["2"]\n')
    expect((await start('sh', ['-c', `cd '${clone}' && sh lakelet 3`]).ended).stdout).toBe(
      '["3"]\n',
    )
  })

  test('builds again after a source changed, but not for a test', async () => {
    await linkPackages()
    await lakelet([])
    const test = join(clone, 'src/main/lakelet.test.ts')
    await writeFile(test, 'export {}')
    await lakelet([]) // a new file: the folder changed
    await utimes(test, new Date(), new Date(Date.now() + 60_000))
    expect((await lakelet([])).stderr).toBe('')
    await writeProgram("console.log('new')")
    expect(await lakelet([])).toMatchObject({ stdout: 'new\n', stderr: 'Building Lakelet…\n' })
  })

  test('a source from the future does not make every start a build', async () => {
    await linkPackages()
    const future = new Date(Date.now() + 3_600_000)
    await utimes(join(clone, 'src/main/lakelet.ts'), future, future)
    await lakelet([])
    expect((await lakelet([])).stderr).toBe('')
  })

  test('a program that does not compile is not run', async () => {
    await linkPackages()
    await writeProgram('const wrong: number = "text"')
    const ended = await lakelet([])
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toContain("Type 'string' is not assignable to type 'number'")
    expect(ended.stderr).toContain('Error: Lakelet could not be set up')
  })

  test('of several at once one builds and the others wait for it', async () => {
    await linkPackages()
    const ended = await Promise.all([1, 2, 3, 4].map((n) => lakelet([String(n)])))
    expect(ended.map(({ stdout }) => stdout)).toEqual([1, 2, 3, 4].map((n) => `["${n}"]\n`))
    expect(ended.filter(({ stderr }) => stderr.includes('Building'))).toHaveLength(1)
  })

  test('a set-up that died in the middle is taken over', async () => {
    await linkPackages()
    const lock = join(clone, 'dist/.setup-lock')
    await mkdir(lock, { recursive: true })
    await writeFile(join(lock, 'owner'), String(2 ** 22 + 1))
    expect((await lakelet([])).code).toBe(0)
  })

  test('packages are installed when they are missing or no longer those of the lock file', async () => {
    const bin = join(clone, 'bin')
    await mkdir(bin)
    const log = join(clone, 'npm.log')
    // Stands in for npm: it notes how it was called and brings what the compiler needs.
    const npm = `#!/bin/sh
echo "$@" >> '${log}'
echo 'npm speaks'
mkdir -p node_modules/@types
ln -sfn '${root}/node_modules/typescript' node_modules/typescript
ln -sfn '${root}/node_modules/@types/node' node_modules/@types/node
ln -sfn '${root}/node_modules/undici-types' node_modules/undici-types
`
    await writeFile(join(bin, 'npm'), npm)
    await chmod(join(bin, 'npm'), 0o755)
    const env = { PATH: `${bin}:${dirname(process.execPath)}:/usr/bin:/bin` }
    const first = await lakelet(['x'], env)
    expect(first).toMatchObject({ code: 0, stdout: '["x"]\n' })
    expect(first.stderr).toContain('Installing packages')
    await lakelet([], env)
    const calls = async () => (await readFile(log, 'utf8')).trim().split('\n')
    expect(await calls()).toEqual(['install --no-audit --no-fund'])
    await writeFile(join(clone, 'package-lock.json'), '{"changed": true}')
    await lakelet([], env)
    expect(await calls()).toHaveLength(2)
  })

  test('without Node it says what is missing', async () => {
    const bin = join(clone, 'bin')
    await mkdir(bin)
    const ended = await start('/bin/sh', [join(clone, 'lakelet')], { PATH: bin }).ended
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('Lakelet needs Node.js 20.19 or newer')
  })
})

describe('npm start', () => {
  test('runs "up" with the arguments, passes a signal on once, and ends as the server did', async () => {
    await linkPackages()
    await writeProgram(`
      process.on('SIGTERM', () => { console.log('term'); setTimeout(() => process.exit(7), 300) })
      setInterval(() => {}, 1000)
      console.log(JSON.stringify(process.argv.slice(2)))
    `)
    const { child, ended } = start(process.execPath, [
      join(clone, 'scripts/start.mjs'),
      '--api-port',
      '1',
    ])
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    expect(await ended).toEqual({
      code: 7,
      stdout: '["up","--api-port","1"]\nterm\n',
      stderr: 'Building Lakelet…\n',
    })
  })
})
