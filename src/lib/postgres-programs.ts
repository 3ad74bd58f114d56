/**
 * Finds a client program of Postgres (pg_dump, psql, …) that is new enough: in the directories that are
 * given, where distributions keep a directory for each major, and on the PATH.
 */
import { access, constants, readdir } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { run } from './subprocess.ts'
import { seconds } from './time.ts'

export interface PostgresProgram {
  readonly path: string
  readonly major: number
}

export interface Search {
  readonly name: string
  readonly atLeast: number
  /** The caller's own, looked into first. */
  readonly directories?: readonly string[]
  readonly path: string | undefined
}

export class ProgramMissing extends Error {
  override readonly name = 'ProgramMissing'
  /** For people: where it was looked for, and what was found there. */
  readonly places: string

  constructor(program: string, places: string) {
    super(`${program} is not there`)
    this.places = places
  }
}

/** Of those that fit, the oldest: it is the one that the rest of the work was made for. */
export async function findPostgresProgram(search: Search): Promise<PostgresProgram> {
  const { name, atLeast } = search
  const directories = await placesOf(search)
  const found = (await Promise.all(directories.map((directory) => lookAt(directory, name)))).filter(
    (program) => program !== undefined,
  )
  const fitting = found
    .filter(({ major }) => major >= atLeast)
    .sort((one, other) => one.major - other.major)
  if (fitting[0] !== undefined) return fitting[0]
  const others = found.map(({ path, major }) => `${path} is of ${major}`)
  const places = [
    ...(search.directories === undefined ? [] : ['its own toolchains']),
    ...usualPlaces,
  ]
  throw new ProgramMissing(name, [...places, ...others].join(', '))
}

/** The program beside another one of the same installation. */
export const besides = (program: PostgresProgram, name: string): string =>
  join(dirname(program.path), name)

const debian = '/usr/lib/postgresql'
/** As people say them. */
const usualPlaces = [`${debian}/*/bin`, 'the PATH']

async function placesOf({ directories = [], path = '' }: Search): Promise<readonly string[]> {
  const majors = await readdir(debian).catch(() => [])
  const homebrew = (await readdir('/opt/homebrew/opt').catch(() => []))
    .filter((name) => /^(postgresql@\d+|libpq)$/.test(name))
    .map((name) => join('/opt/homebrew/opt', name, 'bin'))
  const all = [
    ...directories,
    ...majors.map((major) => join(debian, major, 'bin')),
    ...homebrew,
    ...path.split(delimiter).filter((directory) => directory.startsWith('/')),
  ]
  return [...new Set(all)]
}

async function lookAt(directory: string, name: string): Promise<PostgresProgram | undefined> {
  const path = join(directory, name)
  try {
    await access(path, constants.X_OK)
    const said = await run(path, ['--version'], { patience: seconds(10), cwd: '/' })
    const major = /\(PostgreSQL\) (\d+)/.exec(said)?.[1]
    return major === undefined ? undefined : { path, major: Number(major) }
  } catch {
    return undefined // not there, or no program of Postgres
  }
}
