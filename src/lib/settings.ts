/**
 * Settings, parsed once into a frozen object. Precedence: flag, then environment, then file, then default.
 * Every bad value and every unknown key is reported, all together. Pure: whoever calls brings the sources.
 */
import { type Setting, type Settings, type Surroundings, settingsTable } from './settings-table.ts'

export const settingNames: readonly string[] = Object.values(settingsTable).map(({ name }) => name)

export const environmentName = (name: string): string =>
  `LAKELET_${name.toUpperCase().replaceAll('-', '_')}`

export interface SettingSources {
  /** By setting name without the dashes in front. */
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Parsed settings file, and how to call it in a message. */
  readonly file?: { readonly path: string; readonly values: Readonly<Record<string, unknown>> }
}

/** All that is wrong with the settings, one line each. */
export class SettingsInvalid extends Error {
  override readonly name = 'SettingsInvalid'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.length === 1 ? problems[0] : `settings:\n${problems.map(indent).join('\n')}`)
    this.problems = problems
  }
}

const indent = (line: string): string => `  ${line}`

export function parseSettings(sources: SettingSources, around: Surroundings): Settings {
  const problems = unknownKeys(sources)
  const read = <T>(setting: Setting<T>): T => {
    const found = lookUp(setting.name, sources)
    if (found === undefined) return setting.fallback(around)
    try {
      return setting.parse(found.text, around)
    } catch (error) {
      // The value itself is not repeated: it may be a secret.
      problems.push(`${found.origin} ${error instanceof Error ? error.message : String(error)}.`)
      return setting.fallback(around)
    }
  }
  const table = settingsTable
  const settings: Settings = {
    stateDir: read(table.stateDir),
    apiHost: read(table.apiHost),
    apiPort: read(table.apiPort),
    pgHost: read(table.pgHost),
    pgPort: read(table.pgPort),
    storage: read(table.storage),
    poolSize: read(table.poolSize),
    catalogUrl: read(table.catalogUrl),
    computeUser: read(table.computeUser),
    domain: read(table.domain),
    maxBranchTtl: read(table.maxBranchTtl),
    defaultBranchTtl: read(table.defaultBranchTtl),
    contract: read(table.contract),
    maxProjects: read(table.maxProjects),
    maxBranchesPerProject: read(table.maxBranchesPerProject),
    publicUrl: read(table.publicUrl),
    trustedIssuers: read(table.trustedIssuers),
    maxRolesPerBranch: read(table.maxRolesPerBranch),
    maxDatabasesPerBranch: read(table.maxDatabasesPerBranch),
    maxRootBranchesPerProject: read(table.maxRootBranchesPerProject),
    maxProtectedBranchesPerProject: read(table.maxProtectedBranchesPerProject),
    maxSnapshotsPerProject: read(table.maxSnapshotsPerProject),
    maxBranchLogicalSize: read(table.maxBranchLogicalSize),
    minHistoryRetention: read(table.minHistoryRetention),
    maxHistoryRetention: read(table.maxHistoryRetention),
    historyRetention: read(table.historyRetention),
    minSuspendTimeout: read(table.minSuspendTimeout),
    maxSuspendTimeout: read(table.maxSuspendTimeout),
    maxCu: read(table.maxCu),
    maxCuSpread: read(table.maxCuSpread),
    maxActiveComputes: read(table.maxActiveComputes),
    auditRetention: read(table.auditRetention),
    logSize: read(table.logSize),
    logFiles: read(table.logFiles),
    postgresDirs: read(table.postgresDirs),
    poolReserve: read(table.poolReserve),
    diskReserve: read(table.diskReserve),
    strayGrace: read(table.strayGrace),
    strayRetention: read(table.strayRetention),
    collectGrace: read(table.collectGrace),
    warnBefore: read(table.warnBefore),
  }
  if (settings.apiPort !== 0 && settings.apiPort === settings.pgPort) {
    problems.push(`api-port and pg-port are both ${settings.apiPort}; they must differ.`)
  }
  if (
    settings.defaultBranchTtl !== undefined &&
    settings.defaultBranchTtl > settings.maxBranchTtl
  ) {
    problems.push('default-branch-ttl is longer than max-branch-ttl; it must not be.')
  }
  for (const [name, min, max] of [
    ['history-retention', settings.minHistoryRetention, settings.maxHistoryRetention],
    ['suspend-timeout', settings.minSuspendTimeout, settings.maxSuspendTimeout],
  ] as const) {
    if (min > max) problems.push(`min-${name} is longer than max-${name}; it must not be.`)
  }
  if (problems.length > 0) throw new SettingsInvalid(problems)
  return Object.freeze(settings)
}

function unknownKeys({ flags, file }: SettingSources): string[] {
  const known = new Set(settingNames)
  const list = [...known].join(', ')
  return [
    ...Object.keys(flags)
      .filter((name) => !known.has(name))
      .map((name) => `--${name} is not a setting. Known: ${list}.`),
    ...Object.keys(file?.values ?? {})
      .filter((name) => !known.has(name))
      .map((name) => `${file?.path}: "${name}" is not a setting. Known: ${list}.`),
  ]
}

/** The first source that names it; an empty environment variable counts as not set. */
function lookUp(
  name: string,
  { flags, env, file }: SettingSources,
): { text: string; origin: string } | undefined {
  const flag = flags[name]
  if (flag !== undefined) return { text: flag, origin: `--${name}` }
  const variable = environmentName(name)
  const fromEnv = env[variable]
  if (fromEnv !== undefined && fromEnv !== '') return { text: fromEnv, origin: variable }
  const value = file?.values[name]
  if (file === undefined || value === undefined) return undefined
  // TOML has numbers; every other kind fails in the setting's own parser with its own words.
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : ''
  return { text, origin: `${file.path}: ${name}` }
}
