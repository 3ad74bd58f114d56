/**
 * A Postgres installation that somebody names by its directory: a package of the distribution, a build of
 * one's own. Its parts may lie far apart (`/usr/lib/postgresql/15/bin`, `/usr/share/postgresql/15`), and a
 * program finds them by the way from its own place; so a copy keeps the paths, below another root.
 */
import { access, constants, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { type PostgresMajor, postgresMajors } from '../domain/project.ts'
import { run } from '../lib/subprocess.ts'
import { seconds } from '../lib/time.ts'
import type { InstalledToolchain } from './toolchain.ts'

/** Throws an Error that says what is wrong with the directory. */
export async function readInstallation(directory: string): Promise<InstalledToolchain> {
  const home = await realpath(directory).catch(() => directory)
  const bin = join(home, 'bin')
  for (const program of ['postgres', 'initdb']) {
    await access(join(bin, program), constants.X_OK).catch(() => {
      throw new Error(`${directory} is no Postgres installation: it has no program bin/${program}`)
    })
  }
  const said = await ask(join(bin, 'postgres'), '--version')
  const [, first = '', second = ''] = /\(PostgreSQL\) (\d+)\.(\d+)/.exec(said) ?? []
  const major = Number(first) as PostgresMajor
  if (!postgresMajors.includes(major)) {
    throw new Error(
      `${directory} is ${said.trim() || 'no Postgres'}; Lakelet runs ${postgresMajors.join(', ')}`,
    )
  }
  const { size, mtimeMs } = await stat(join(bin, 'postgres'))
  const places =
    (await configuredPlaces(bin)) ?? ['bin', 'lib', 'share'].map((name) => join(home, name))
  const version = `${first}.${second}`
  return {
    major,
    version,
    origin: 'directory',
    packageVersion: version,
    // A package that is brought up to date keeps its place and perhaps its version.
    stamp: `${home} ${size} ${mtimeMs}`,
    programs: bin.slice(1),
    parts: outermost([bin, ...places.filter((place) => isOwn(place, home, first))]).map((from) => ({
      from,
      to: from.slice(1),
    })),
  }
}

/** What pg_config says, where it is there: bindir, sharedir, pkglibdir, libdir. */
async function configuredPlaces(bin: string): Promise<readonly string[] | undefined> {
  try {
    const said = await ask(join(bin, 'pg_config'), '--sharedir', '--pkglibdir', '--libdir')
    const places = said.split('\n').filter((line) => line.startsWith('/'))
    return await Promise.all(places.map((place) => realpath(place)))
  } catch {
    return undefined
  }
}

/** `/usr/lib/x86_64-linux-gnu` is everybody's: what is there is found without us. */
const isOwn = (place: string, home: string, major: string): boolean =>
  place.startsWith(home + sep) || place.split(sep).some((part) => part.includes(major))

const outermost = (places: readonly string[]): readonly string[] =>
  [...new Set(places)].filter(
    (place) => !places.some((other) => other !== place && place.startsWith(other + sep)),
  )

const ask = (program: string, ...args: readonly string[]): Promise<string> =>
  run(program, args, { patience: seconds(10), cwd: '/' })
