import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { environmentName, parseSettings, SettingsInvalid } from './settings.ts'
import type { Surroundings } from './settings-table.ts'

const user: Surroundings = { cwd: '/srv', home: '/home/jane', isRoot: false }

function problemsOf(work: () => unknown): readonly string[] {
  try {
    work()
  } catch (error) {
    if (error instanceof SettingsInvalid) return error.problems
    throw error
  }
  return []
}

describe('settings', () => {
  test('without any source they are the defaults', () => {
    expect(parseSettings({ flags: {}, env: {} }, user)).toEqual({
      stateDir: '/home/jane/.local/share/lakelet',
      apiHost: '127.0.0.1',
      apiPort: 7430,
      pgHost: '127.0.0.1',
      pgPort: 5432,
      storage: undefined,
      poolSize: undefined,
      catalogUrl: undefined,
      computeUser: 'postgres',
      domain: undefined,
      maxBranchTtl: 30 * 86_400_000,
      defaultBranchTtl: undefined,
      contract: 'generous',
      maxProjects: 1000,
      maxBranchesPerProject: 500,
      maxRolesPerBranch: 500,
      maxDatabasesPerBranch: 500,
      maxRootBranchesPerProject: 3,
      maxProtectedBranchesPerProject: 1,
      maxSnapshotsPerProject: 10,
      maxBranchLogicalSize: 8_796_093_022_208,
      minHistoryRetention: 172_800_000,
      maxHistoryRetention: 3_024_000_000,
      minSuspendTimeout: 60_000,
      maxSuspendTimeout: 604_800_000,
      maxCu: 64,
      maxCuSpread: 16,
      auditRetention: 400 * 86_400_000,
      logSize: 16 * 2 ** 20,
      logFiles: 4,
      postgresDirs: [],
      poolReserve: { share: 0.05, bytes: 4 * 2 ** 30 },
      diskReserve: { share: 0.05, bytes: 4 * 2 ** 30 },
      strayGrace: 86_400_000,
      strayRetention: 604_800_000,
      collectGrace: 3_600_000,
      warnBefore: 900_000,
    })
  })

  test('the contract, the default end of branches and the limits', () => {
    const flags = {
      contract: 'strict',
      'default-branch-ttl': '6h',
      'max-projects': '3',
      'max-branches-per-project': '20',
    }
    expect(parseSettings({ flags, env: {} }, user)).toMatchObject({
      contract: 'strict',
      defaultBranchTtl: 6 * 3_600_000,
      maxProjects: 3,
      maxBranchesPerProject: 20,
      maxRolesPerBranch: 500,
      maxDatabasesPerBranch: 500,
    })
    const wrong = {
      contract: 'lax',
      'default-branch-ttl': '0s',
      'max-projects': '0',
      'max-branches-per-project': '-1',
    }
    expect(problemsOf(() => parseSettings({ flags: wrong, env: {} }, user))).toHaveLength(4)
    const longer = { 'default-branch-ttl': '31d' }
    expect(problemsOf(() => parseSettings({ flags: longer, env: {} }, user))).toEqual([
      'default-branch-ttl is longer than max-branch-ttl; it must not be.',
    ])
  })

  test('the state directory follows root and XDG', () => {
    const none = { flags: {}, env: {} }
    expect(parseSettings(none, { ...user, isRoot: true }).stateDir).toBe('/var/lib/lakelet')
    expect(parseSettings(none, { ...user, xdgDataHome: '/xdg' }).stateDir).toBe('/xdg/lakelet')
    expect(parseSettings(none, { ...user, xdgDataHome: '' }).stateDir).toBe(
      '/home/jane/.local/share/lakelet',
    )
  })

  test('a flag wins over the environment, that over the file, that over the default', () => {
    const file = {
      path: 'lakelet.toml',
      values: { 'api-port': 1111, 'pg-port': 2222, domain: 'f.test' },
    }
    const env = { LAKELET_API_PORT: '3333', LAKELET_PG_PORT: '4444', LAKELET_DOMAIN: '' }
    const settings = parseSettings({ flags: { 'api-port': '5555' }, env, file }, user)
    expect(settings).toMatchObject({ apiPort: 5555, pgPort: 4444, domain: 'f.test' })
  })

  test('values are read in their own forms', () => {
    const settings = parseSettings(
      {
        flags: { 'state-dir': 'here', 'pool-size': '20GB', storage: 'btrfs' },
        env: { LAKELET_MAX_BRANCH_TTL: '1w', LAKELET_DOMAIN: 'Db.Example.ORG' },
        file: { path: 'f', values: { 'catalog-url': 'postgresql://u:hush@h/d' } },
      },
      user,
    )
    expect(settings).toMatchObject({
      stateDir: '/srv/here',
      poolSize: 20 * 1024 ** 3,
      storage: 'btrfs',
      maxBranchTtl: 7 * 86_400_000,
      domain: 'db.example.org',
    })
    expect(settings.catalogUrl?.reveal()).toBe('postgresql://u:hush@h/d')
    expect(inspect(settings) + JSON.stringify(settings)).not.toContain('hush')
    expect(Object.isFrozen(settings)).toBe(true)
  })

  test('everything that is wrong is reported at once, with where it came from', () => {
    const problems = problemsOf(() =>
      parseSettings(
        {
          flags: { 'api-port': 'http' },
          env: { LAKELET_STORAGE: 'floppy' },
          file: { path: '/s/lakelet.toml', values: { colour: 'red', 'pool-size': true } },
        },
        user,
      ),
    )
    expect(problems).toHaveLength(4)
    expect(problems.join('\n')).toContain('"colour" is not a setting')
    expect(problems.join('\n')).toContain('--api-port must be a port')
    expect(problems.join('\n')).toContain('LAKELET_STORAGE must be one of btrfs, reflink, copy')
    expect(problems.join('\n')).toContain('/s/lakelet.toml: pool-size must be a size')
  })

  test('a refused catalog URL is not repeated, for it may hold a password', () => {
    const env = { LAKELET_CATALOG_URL: 'mysql://u:hush@h/d' }
    const [problem = ''] = problemsOf(() => parseSettings({ flags: {}, env }, user))
    expect(problem).toContain('LAKELET_CATALOG_URL must be a URL')
    expect(problem).not.toContain('hush')
  })

  test.each([['65536'], ['-1'], ['80a'], ['']])('%j is not a port', (text) => {
    expect(
      problemsOf(() => parseSettings({ flags: { 'pg-port': text }, env: {} }, user)),
    ).toHaveLength(1)
  })

  test('two services may not have one port, unless both take any free one', () => {
    const ports = (port: string) => ({ flags: { 'api-port': port, 'pg-port': port }, env: {} })
    expect(problemsOf(() => parseSettings(ports('5000'), user))).toHaveLength(1)
    expect(parseSettings(ports('0'), user).pgPort).toBe(0)
  })

  test('the environment name follows from the setting', () => {
    expect(environmentName('max-branch-ttl')).toBe('LAKELET_MAX_BRANCH_TTL')
  })
})
