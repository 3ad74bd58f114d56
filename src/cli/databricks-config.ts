/** Profiles of `.databrickscfg`: an INI file, one section a profile, as every Databricks tool has it. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

export interface Profile {
  readonly host?: string
  readonly token?: string
  readonly clientId?: string
  readonly clientSecret?: string
  readonly authType?: string
}

export interface DatabricksConfig {
  readonly path: string
  /** `undefined`: no such section. */
  profile(name: string): Profile | undefined
  readonly profileNames: readonly string[]
}

export function databricksConfigPath({ env }: Pick<CliIo, 'env'>): string {
  const home = env.HOME || homedir()
  return (env.DATABRICKS_CONFIG_FILE || join(home, '.databrickscfg')).replace(/^~(?=\/)/, home)
}

/** `undefined`: there is no such file. */
export async function readDatabricksConfig(
  io: Pick<CliIo, 'env'>,
): Promise<DatabricksConfig | undefined> {
  const path = databricksConfigPath(io)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new Refusal(`${path} cannot be read (${String(code)})`)
  }
  return parseDatabricksConfig(path, text)
}

export async function parseDatabricksConfig(path: string, text: string): Promise<DatabricksConfig> {
  const { parseINI } = await import('confbox/ini') // only when there is a file: it costs start time
  const root = parseINI<Record<string, unknown>>(text)
  return {
    path,
    profile: (name) => {
      // The INI reader nests sections at their dots: [a.b] is b inside a.
      let section: unknown = root
      for (const part of name.split('.')) section = isRecord(section) ? section[part] : undefined
      return isRecord(section) ? readProfile(section) : undefined
    },
    profileNames: sectionNames(root, ''),
  }
}

function readProfile(section: Readonly<Record<string, unknown>>): Profile {
  const found: Record<string, string> = {}
  for (const [field, key] of [
    ['host', 'host'],
    ['token', 'token'],
    ['clientId', 'client_id'],
    ['clientSecret', 'client_secret'],
    ['authType', 'auth_type'],
  ] as const) {
    const value = section[key]
    if (typeof value === 'string' && value !== '') found[field] = value
  }
  return found
}

function sectionNames(section: Readonly<Record<string, unknown>>, before: string): string[] {
  return Object.entries(section).flatMap(([key, value]) => {
    if (!isRecord(value)) return []
    const name = `${before}${key}`
    const isProfile = Object.values(value).some((inner) => !isRecord(inner))
    return [...(isProfile ? [name] : []), ...sectionNames(value, `${name}.`)]
  })
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
