/**
 * Gathers the sources of the settings: flags that were given, the environment, and the settings file,
 * which is `--config`, `LAKELET_CONFIG`, or `lakelet.toml` in the state directory when it is there.
 */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseSettings, SettingsInvalid } from './settings.ts'
import type { Settings, Surroundings } from './settings-table.ts'

export interface GivenSettings {
  /** By setting name without dashes in front; `config` names the file. */
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

export async function readSettings({ flags, env, cwd }: GivenSettings): Promise<Settings> {
  const { config, ...settingFlags } = flags
  const around = surroundings(env, cwd)
  const named = config ?? (env.LAKELET_CONFIG || undefined)
  const path =
    named === undefined
      ? join(stateDirWithoutFile(settingFlags, env, around), 'lakelet.toml')
      : resolve(cwd, named)
  const text = await readIfThere(path)
  if (text === undefined) {
    if (named !== undefined) throw new SettingsInvalid([`${path}: no such settings file.`])
    return parseSettings({ flags: settingFlags, env }, around)
  }
  return parseSettings(
    { flags: settingFlags, env, file: { path, values: await parseFile(path, text) } },
    around,
  )
}

/** The file is looked for in the state directory, so its place cannot come from that file. */
function stateDirWithoutFile(
  flags: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
  around: Surroundings,
): string {
  return parseSettings(
    {
      flags: { 'state-dir': flags['state-dir'] },
      env: { LAKELET_STATE_DIR: env.LAKELET_STATE_DIR },
    },
    around,
  ).stateDir
}

function surroundings(
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Surroundings {
  const { XDG_DATA_HOME: xdgDataHome } = env
  return {
    cwd,
    home: env.HOME || homedir(),
    isRoot: process.getuid?.() === 0,
    ...(xdgDataHome === undefined ? {} : { xdgDataHome }),
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new SettingsInvalid([`${path}: cannot be read (${String(code)}).`])
  }
}

async function parseFile(path: string, text: string): Promise<Record<string, unknown>> {
  const { parseTOML } = await import('confbox/toml') // only when there is a file: it costs start time
  try {
    return parseTOML<Record<string, unknown>>(text)
  } catch (error) {
    const problem = error instanceof Error ? error.message.trim() : String(error)
    throw new SettingsInvalid([`${path}: ${problem}`])
  }
}
