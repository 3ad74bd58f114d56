/**
 * `lakelet.toml`: what everybody who works on a repository agrees on. Committed, so no secrets. It lies in the worktree's top
 * directory or, for one project of several in a repository, in the directory of the project.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { z } from 'zod'
import { humanDurationForms, parseHumanDuration, toWireDuration } from '../lib/human-duration.ts'
import type { Millis } from '../lib/time.ts'
import { WorktreeProblem } from './worktree-problem.ts'

export const projectFileName = 'lakelet.toml'

/** What an env variable can hold. */
export const envFields = [
  'url',
  'host',
  'port',
  'database',
  'user',
  'password',
  'sslmode',
  'sslrootcert',
  'branch',
  'branch_expire_time',
  'endpoint',
  'credential_expire_time',
] as const
export type EnvField = (typeof envFields)[number]

/** The names that Postgres's own clients and the store example read. */
export const usualEnv: Readonly<Record<string, EnvField>> = {
  LAKEBASE_BRANCH: 'branch',
  LAKEBASE_BRANCH_EXPIRE_TIME: 'branch_expire_time',
  LAKEBASE_ENDPOINT: 'endpoint',
  LAKEBASE_CREDENTIAL_EXPIRE_TIME: 'credential_expire_time',
  PGHOST: 'host',
  PGPORT: 'port',
  PGDATABASE: 'database',
  PGUSER: 'user',
  PGPASSWORD: 'password',
  PGSSLMODE: 'sslmode',
  PGSSLROOTCERT: 'sslrootcert',
  DATABASE_URL: 'url',
}

const id = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'is no id: a-z, 0-9 and hyphens, at most 63')
const ttl = z.string().refine((text) => text === 'none' || (parseHumanDuration(text) ?? 0) > 0, {
  error: `is neither "none" nor ${humanDurationForms}`,
})
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'is no name of a variable')
const insideOf = z
  .string()
  .min(1)
  .refine((path) => !path.startsWith('/') && !path.split(/[\\/]/).includes('..'), {
    error: 'must lie below the directory of lakelet.toml',
  })

const schema = z.strictObject({
  project: id.optional(),
  source: z.union([z.literal('parent'), id]).default('parent'),
  database: z.string().min(1).max(63).default('databricks_postgres'),
  env_file: insideOf.default('.env'),
  env: z.record(variable, z.enum(envFields)).default(usualEnv),
  /** `none`: no migrations, although a tool is found. */
  migrate: z.string().min(1).optional(),
  ttl: z
    .array(
      z.strictObject({
        match: z.string().min(1).default('*'),
        ttl,
        /** It counts anew with each activity. */
        sliding: z.boolean().default(false),
        /** The branch does not end while somebody is connected. */
        hold: z.boolean().default(false),
      }),
    )
    .default([]),
})

export interface ProjectFile extends z.output<typeof schema> {
  /** Where it lies, or the top of the worktree when there is none. */
  readonly directory: string
  /** `undefined`: there is none. */
  readonly path: string | undefined
}

/** The nearest one from `directory` up to `root`; without one, what holds anyway. Throws WorktreeProblem. */
export async function findProjectFile(directory: string, root: string): Promise<ProjectFile> {
  for (let at = directory; isInside(root, at); at = dirname(at)) {
    const path = join(at, projectFileName)
    const text = await readIfPresent(path)
    if (text !== undefined) return { ...(await parseProjectFile(text, path)), directory: at, path }
    if (at === dirname(at)) break
  }
  return { ...schema.parse({}), directory: root, path: undefined }
}

/** Throws WorktreeProblem with the first thing that is wrong, by its name in the file. */
export async function parseProjectFile(
  text: string,
  path: string,
): Promise<z.output<typeof schema>> {
  const { parseTOML } = await import('confbox/toml') // only when there is a file: it costs start time
  let content: unknown
  try {
    content = parseTOML(text)
  } catch (error) {
    const said = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    throw new WorktreeProblem(`${path} is not TOML: ${said}`, 'Mend it, or remove it.')
  }
  const read = schema.safeParse(content)
  if (read.success) return read.data
  const [issue] = read.error.issues
  const field = issue?.path.join('.') ?? ''
  const what = issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : field
  const says =
    issue?.code === 'unrecognized_keys' ? 'is nothing that it knows' : (issue?.message ?? '')
  throw new WorktreeProblem(
    `${path}: ${what || 'it'}: ${says}`,
    `It knows: ${Object.keys(schema.shape).join(', ')}.`,
  )
}

type Rules = {
  readonly ttl: readonly (Pick<ProjectFile['ttl'][number], 'match' | 'ttl'> &
    Partial<ProjectFile['ttl'][number]>)[]
}

const ruleFor = ({ ttl: rules }: Rules, label: string) =>
  rules.find(({ match }) => fits(match, label))

/** How long a branch lives. The first rule whose pattern fits the git branch's name counts; `undefined`: for ever. */
export function lifeOf(file: Rules, label: string): Millis | undefined {
  const rule = ruleFor(file, label)
  return rule?.ttl === 'none' ? undefined : parseHumanDuration(rule?.ttl ?? usualLife)
}

const usualLife = '6h'

/** The same as `spec` of a new branch, with what was asked for of its end. */
export function expiryFor(file: Rules, label: string): Readonly<Record<string, string | true>> {
  const life = lifeOf(file, label)
  if (life === undefined) return { no_expiry: true }
  const { sliding = false, hold = false } = ruleFor(file, label) ?? {}
  return {
    ttl: toWireDuration(life),
    ...(sliding ? { sliding_ttl: toWireDuration(life) } : {}),
    ...(hold ? { is_held_by_sessions: true } : {}),
  }
}

/** `*` is any text, `?` any character. */
function fits(pattern: string, text: string): boolean {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's').test(text)
}

const isInside = (root: string, path: string): boolean =>
  !relative(root, path).split(/[\\/]/).includes('..')

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') return undefined
    throw new WorktreeProblem(`${path} cannot be read (${String(code)})`)
  }
}
