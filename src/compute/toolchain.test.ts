import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Fault } from '../domain/faults.ts'
import { postgresMajors } from '../domain/project.ts'
import { readInstallation } from './installation.ts'
import { testExtension } from './room.fixture.ts'
import { findToolchains, inPlaceOf, Toolchains } from './toolchain.ts'
import { rewriteControl, trustedExtensions } from './trusted-extensions.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lk-tc-'))
  await chmod(root, 0o755)
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('toolchains', () => {
  test('every installed major is found, the default one first', () => {
    const found = findToolchains()
    expect(found[0]?.major).toBe(17)
    expect(found.map(({ major }) => major).toSorted()).toEqual([...postgresMajors])
    for (const { major, version } of found) expect(version).toMatch(new RegExp(`^${major}\\.\\d+$`))
  })

  test('a machine that npm has no packages for has none', () => {
    expect(findToolchains('sunos', 'sparc')).toEqual([])
  })

  test('a missing major says which there are', async () => {
    const installed = findToolchains().filter(({ major }) => major !== 18)
    const refusal = await new Toolchains(root, [], installed).open(18).catch((error) => error)
    expect(refusal).toBeInstanceOf(Fault)
    expect(refusal.reason).toBe('TOOLCHAIN_MISSING')
    expect(refusal.text).toContain('Available: 15, 16, 17.')
  })

  test('a private copy is whole, readable, and made once; what a crash left is swept', async () => {
    const directory = join(root, 'copies')
    await mkdir(join(directory, 'draft-17-dead', 'native'), { recursive: true })
    const toolchains = new Toolchains(directory, testExtension)
    const opened = await Promise.all(Array.from({ length: 20 }, () => toolchains.open(17)))
    expect(new Set(opened.map(({ postgres }) => postgres)).size).toBe(1)
    const names = await readdir(directory)
    expect(names).toHaveLength(1)
    expect(names[0]).toMatch(/^17-17\.\d+\.\d+.*-[0-9a-f]{8}$/)
    const native = join(directory, names[0] ?? '', 'native')
    for (const program of ['postgres', 'initdb']) {
      expect((await stat(join(native, 'bin', program))).mode & 0o777).toBe(0o755)
    }
    expect(await readlink(join(native, 'lib', 'libicuuc.so.60'))).toBe('libicuuc.so.60.2')
    const extensions = join(native, 'share', 'postgresql', 'extension')
    expect(await readFile(join(extensions, 'lakelet_probe.control'), 'utf8')).toBe(
      testExtension[0]?.contents,
    )
    const isTrusted = async (name: string) =>
      /^trusted = true$/m.test(await readFile(join(extensions, `${name}.control`), 'utf8'))
    for (const name of trustedExtensions) expect(await isTrusted(name), name).toBe(true)
    for (const name of ['file_fdw', 'dblink', 'plpython3u', 'pageinspect', 'pg_surgery']) {
      expect(await isTrusted(name), name).toBe(false)
    }
    // Another life on the same directory uses it as it is; other extensions make another copy.
    const before = (await stat(native)).ino
    await new Toolchains(directory, testExtension).open(17)
    expect((await stat(native)).ino).toBe(before)
    await new Toolchains(directory, []).open(17)
    expect(await readdir(directory)).toHaveLength(2)
  })

  test('copies that nobody starts or runs are removed, also one whose removal was cut short', async () => {
    const directory = join(root, 'swept')
    const toolchains = new Toolchains(directory, testExtension)
    await toolchains.open(17)
    const [current = ''] = await readdir(directory)
    for (const name of ['17-17.1.0-00000000', '15-15.1.0-00000000', 'dropped-16-16.1.0-00000000']) {
      await mkdir(join(directory, name, 'native', 'bin'), { recursive: true })
    }
    const stillRuns = join(directory, '15-15.1.0-00000000')
    const processes = {
      withCommand: async (text: string) =>
        text === `${stillRuns}/`
          ? [{ pid: 1, parent: 0, start: '', command: text, workingDirectory: undefined }]
          : [],
    }
    const removed = await toolchains.sweep(processes)
    expect(removed.toSorted()).toEqual(['17-17.1.0-00000000', 'dropped-16-16.1.0-00000000'])
    expect((await readdir(directory)).toSorted()).toEqual(
      ['15-15.1.0-00000000', current].toSorted(),
    )
  })

  test('an installation that is named stands in for the embedded one of its major', async () => {
    const embedded = findToolchains()
    const [, ...others] = embedded
    const named = {
      ...embedded[0],
      origin: 'directory',
      version: '17.99',
    } as (typeof embedded)[number]
    expect(inPlaceOf(embedded, [named])).toEqual([named, ...others])
    expect(inPlaceOf([], [named])).toEqual([named])
    await expect(readInstallation(root)).rejects.toThrow(/no Postgres installation/)
  })

  test('a control file is rewritten once', () => {
    const control = "comment = 'x'\ndefault_version = '1.1'\nrelocatable = true\n"
    const once = rewriteControl('postgres_fdw', control)
    expect(once).toBe(`${control}trusted = true\n`)
    expect(rewriteControl('postgres_fdw', once)).toBe(once)
    expect(rewriteControl('file_fdw', control)).toBe(control)
    expect(rewriteControl('plperl', 'trusted = true\n')).toBe('trusted = false\n')
  })
})
