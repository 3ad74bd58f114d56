/**
 * What an operator may set: one table names each setting, and its flag, its environment variable, its key in
 * the settings file and its line in the help all follow from that name.
 */
import { join, resolve } from 'node:path'
import { Secret } from './secret.ts'
import {
  matching,
  oneOf,
  parseCount,
  parseDirectories,
  parseLength,
  parsePort,
  parsePublicUrl,
  parseReserve,
  parseSize,
  type Reserve,
} from './setting-values.ts'
import { days, hours, type Millis, minutes } from './time.ts'

export const storageChoices = ['btrfs', 'reflink', 'copy'] as const
export type StorageChoice = (typeof storageChoices)[number]

/** `strict`: where Lakelet is more generous than the service, it answers as the service does. */
export const contractChoices = ['generous', 'strict'] as const
export type ContractChoice = (typeof contractChoices)[number]

export interface Settings {
  readonly stateDir: string
  readonly apiHost: string
  readonly apiPort: number
  readonly pgHost: string
  readonly pgPort: number
  /** `undefined`: the best that works here. */
  readonly storage: StorageChoice | undefined
  /** Bytes of a pool that is made here; `undefined`: a share of the free space. */
  readonly poolSize: number | undefined
  /** `undefined`: the embedded catalog. A secret because it may hold a password. */
  readonly catalogUrl: Secret | undefined
  readonly computeUser: string
  /** `undefined`: found out at start. */
  readonly domain: string | undefined
  readonly maxBranchTtl: Millis
  /** Given to branches whose create names no expiration; `undefined`: such a create is refused. */
  readonly defaultBranchTtl: Millis | undefined
  readonly contract: ContractChoice
  readonly maxProjects: number
  readonly maxBranchesPerProject: number
  /** Where clients reach the API when a proxy stands before it; `undefined`: where it listens. */
  readonly publicUrl: string | undefined
  /** File that lists issuers whose tokens are exchanged for ours. */
  readonly trustedIssuers: string | undefined
  readonly maxRolesPerBranch: number
  readonly maxDatabasesPerBranch: number
  readonly maxRootBranchesPerProject: number
  readonly maxProtectedBranchesPerProject: number
  readonly maxSnapshotsPerProject: number
  /** Bytes, as Postgres counts a branch's databases. */
  readonly maxBranchLogicalSize: number
  readonly minHistoryRetention: Millis
  readonly maxHistoryRetention: Millis
  /** No history is kept for longer, whatever a project asks; `undefined`: as long as it asks. */
  readonly historyRetention: Millis | undefined
  readonly minSuspendTimeout: Millis
  readonly maxSuspendTimeout: Millis
  readonly maxCu: number
  readonly maxCuSpread: number
  /** `undefined`: 20 in the strict contract, else no limit. */
  readonly maxActiveComputes: number | undefined
  /** How long an entry of the audit log is kept. */
  readonly auditRetention: Millis
  /** Of one file of the server's and the gateway's log, and how many full ones are kept of each. */
  readonly logSize: number
  readonly logFiles: number
  /** Postgres installations that replace the embedded ones of their majors. */
  readonly postgresDirs: readonly string[]
  /** Nothing new is made while less is free: in the pool, and on the disk of WAL and catalog. */
  readonly poolReserve: Reserve
  readonly diskReserve: Reserve
  /** How long files that no record knows stay where they are, and how long they are kept aside then. */
  readonly strayGrace: Millis
  readonly strayRetention: Millis
  /** How long what a branch is bound to has been gone before the branch is collected. */
  readonly collectGrace: Millis
  /** How long before its end somebody is told that a branch ends. */
  readonly warnBefore: Millis
}

/** The machine and account that defaults depend on. */
export interface Surroundings {
  readonly cwd: string
  readonly home: string
  readonly isRoot: boolean
  readonly xdgDataHome?: string
}

export interface Setting<T> {
  /** Kebab-case: `--state-dir`, `LAKELET_STATE_DIR`, `state-dir = …`. */
  readonly name: string
  /** What stands for the value in the help. */
  readonly value: string
  readonly say: string
  /** The default as the help shows it. */
  readonly otherwise: string
  /** Throws an Error that says what is wrong; its text follows the setting's name. */
  parse(text: string, around: Surroundings): T
  fallback(around: Surroundings): T
}

type Table = { readonly [K in keyof Settings]: Setting<Settings[K]> }

export const settingsTable: Table = {
  stateDir: {
    name: 'state-dir',
    value: 'DIR',
    say: 'Where everything is kept.',
    otherwise: '/var/lib/lakelet as root, else ~/.local/share/lakelet',
    parse: (text, { cwd, home }) =>
      resolve(cwd, text.startsWith('~/') ? join(home, text.slice(2)) : text),
    fallback: ({ home, isRoot, xdgDataHome }) =>
      isRoot ? '/var/lib/lakelet' : join(xdgDataHome || join(home, '.local/share'), 'lakelet'),
  },
  apiHost: {
    name: 'api-host',
    value: 'ADDRESS',
    say: 'Address on which the HTTP API listens.',
    otherwise: '127.0.0.1',
    parse: (text) => matching(text, /^[A-Za-z0-9.:-]{1,253}$/, 'an IP address or a host name'),
    fallback: () => '127.0.0.1',
  },
  apiPort: {
    name: 'api-port',
    value: 'PORT',
    say: 'Port of the HTTP API.',
    otherwise: '7430',
    parse: parsePort,
    fallback: () => 7430,
  },
  pgHost: {
    name: 'pg-host',
    value: 'ADDRESS',
    say: 'Address on which Postgres clients are listened to, beside the own loopback addresses of endpoints.',
    otherwise: '127.0.0.1',
    parse: (text) => matching(text, /^[0-9A-Fa-f.:]{2,45}$/, 'an IP address'),
    fallback: () => '127.0.0.1',
  },
  pgPort: {
    name: 'pg-port',
    value: 'PORT',
    say: 'Port for Postgres clients.',
    otherwise: '5432',
    parse: parsePort,
    fallback: () => 5432,
  },
  storage: {
    name: 'storage',
    value: 'DRIVER',
    say: `Copy-on-write driver: ${storageChoices.join(', ')}.`,
    otherwise: 'the best that works here',
    parse: (text) => oneOf(text, storageChoices),
    fallback: () => undefined,
  },
  poolSize: {
    name: 'pool-size',
    value: 'SIZE',
    say: 'Size of the storage pool when Lakelet makes one, such as 20GB.',
    otherwise: 'by the free space',
    parse: parseSize,
    fallback: () => undefined,
  },
  catalogUrl: {
    name: 'catalog-url',
    value: 'URL',
    say: "Postgres that keeps Lakelet's own records.",
    otherwise: 'an embedded one',
    parse: (text) => {
      if (!/^postgres(ql)?:$/.test(URL.canParse(text) ? new URL(text).protocol : '')) {
        throw new Error('must be a URL such as postgresql://user@host/database')
      }
      return new Secret(text)
    },
    fallback: () => undefined,
  },
  computeUser: {
    name: 'compute-user',
    value: 'NAME',
    say: 'Operating system user that runs Postgres when the server is root.',
    otherwise: 'postgres',
    parse: (text) => matching(text, /^[a-z_][a-z0-9_.-]{0,31}$/i, 'a user name'),
    fallback: () => 'postgres',
  },
  domain: {
    name: 'domain',
    value: 'NAME',
    say: 'Domain below which endpoints get their host names.',
    otherwise: 'found out at start',
    parse: (text) =>
      matching(
        text,
        /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i,
        'a domain',
      ).toLowerCase(),
    fallback: () => undefined,
  },
  maxBranchTtl: {
    name: 'max-branch-ttl',
    value: 'TIME',
    say: 'The longest a branch may be asked to live.',
    otherwise: '30d',
    parse: parseLength,
    fallback: () => days(30),
  },
  defaultBranchTtl: {
    name: 'default-branch-ttl',
    value: 'TIME',
    say: 'How long a branch lives whose request names no end.',
    otherwise: 'none: such a request is refused',
    parse: parseLength,
    fallback: () => undefined,
  },
  contract: {
    name: 'contract',
    value: 'MODE',
    say: 'strict: refuse what Databricks Lakebase would refuse; generous: allow it where it is safe.',
    otherwise: 'generous',
    parse: (text) => oneOf(text, contractChoices),
    fallback: () => 'generous',
  },
  maxProjects: {
    name: 'max-projects',
    value: 'COUNT',
    say: 'How many projects there may be.',
    otherwise: '1000',
    parse: parseCount,
    fallback: () => 1000,
  },
  maxBranchesPerProject: {
    name: 'max-branches-per-project',
    value: 'COUNT',
    say: 'How many branches a project may have.',
    otherwise: '500',
    parse: parseCount,
    fallback: () => 500,
  },
  publicUrl: {
    name: 'public-url',
    value: 'URL',
    say: 'Where clients reach the API when a proxy, with TLS say, stands before it.',
    otherwise: 'the address that each client dialled',
    parse: parsePublicUrl,
    fallback: () => undefined,
  },
  trustedIssuers: {
    name: 'trusted-issuers',
    value: 'FILE',
    say: 'JSON file of the OpenID issuers whose tokens are exchanged for access tokens, and for whom.',
    otherwise: 'none',
    parse: (text, { cwd, home }) =>
      resolve(cwd, text.startsWith('~/') ? join(home, text.slice(2)) : text),
    fallback: () => undefined,
  },
  maxRolesPerBranch: {
    name: 'max-roles-per-branch',
    value: 'COUNT',
    say: 'How many roles a branch may have when the API is asked for another.',
    otherwise: '500',
    parse: parseCount,
    fallback: () => 500,
  },
  maxDatabasesPerBranch: {
    name: 'max-databases-per-branch',
    value: 'COUNT',
    say: 'How many databases a branch may have when the API is asked for another.',
    otherwise: '500',
    parse: parseCount,
    fallback: () => 500,
  },
  maxRootBranchesPerProject: {
    name: 'max-root-branches-per-project',
    value: 'COUNT',
    say: 'How many branches without a source branch a project may have: its first, and those made from snapshots.',
    otherwise: '3',
    parse: parseCount,
    fallback: () => 3,
  },
  maxProtectedBranchesPerProject: {
    name: 'max-protected-branches-per-project',
    value: 'COUNT',
    say: 'How many branches of a project may be protected.',
    otherwise: '1',
    parse: parseCount,
    fallback: () => 1,
  },
  maxSnapshotsPerProject: {
    name: 'max-snapshots-per-project',
    value: 'COUNT',
    say: 'How many snapshots a project may have, those of schedules not counted.',
    otherwise: '10',
    parse: parseCount,
    fallback: () => 10,
  },
  maxBranchLogicalSize: {
    name: 'max-branch-logical-size',
    value: 'SIZE',
    say: 'Above it a branch is neither branched nor snapshotted.',
    otherwise: '8TB',
    parse: parseSize,
    fallback: () => 8 * 1024 ** 4,
  },
  minHistoryRetention: {
    name: 'min-history-retention',
    value: 'TIME',
    say: 'The shortest history_retention_duration of a project.',
    otherwise: '2d',
    parse: parseLength,
    fallback: () => days(2),
  },
  maxHistoryRetention: {
    name: 'max-history-retention',
    value: 'TIME',
    say: 'The longest history_retention_duration of a project.',
    otherwise: '35d',
    parse: parseLength,
    fallback: () => days(35),
  },
  historyRetention: {
    name: 'history-retention',
    value: 'TIME',
    say: 'How long the history of a branch is kept at most, whatever its project asks for.',
    otherwise: 'as long as the history_retention_duration of its project',
    parse: parseLength,
    fallback: () => undefined,
  },
  minSuspendTimeout: {
    name: 'min-suspend-timeout',
    value: 'TIME',
    say: 'The shortest suspend_timeout_duration of an endpoint.',
    otherwise: '60s',
    parse: parseLength,
    fallback: () => minutes(1),
  },
  maxSuspendTimeout: {
    name: 'max-suspend-timeout',
    value: 'TIME',
    say: 'The longest suspend_timeout_duration of an endpoint.',
    otherwise: '7d',
    parse: parseLength,
    fallback: () => days(7),
  },
  maxCu: {
    name: 'max-cu',
    value: 'COUNT',
    say: 'The largest autoscaling_limit_max_cu of an endpoint.',
    otherwise: '64',
    parse: parseCount,
    fallback: () => 64,
  },
  maxCuSpread: {
    name: 'max-cu-spread',
    value: 'COUNT',
    say: 'How far the maximum CU of an endpoint may be above its minimum.',
    otherwise: '16',
    parse: parseCount,
    fallback: () => 16,
  },
  maxActiveComputes: {
    name: 'max-active-computes',
    value: 'COUNT',
    say: 'How many computes of a project may be awake at once; those of its default branch are not counted.',
    otherwise: 'no limit; 20 with --contract strict',
    parse: parseCount,
    fallback: () => undefined,
  },
  auditRetention: {
    name: 'audit-retention',
    value: 'TIME',
    say: 'How long the entries of the audit log are kept.',
    otherwise: '400d',
    parse: parseLength,
    fallback: () => days(400),
  },
  logSize: {
    name: 'log-size',
    value: 'SIZE',
    say: 'How large server.log and gateway.log become before a new file is begun.',
    otherwise: '16MB',
    parse: parseSize,
    fallback: () => 16 * 1024 ** 2,
  },
  logFiles: {
    name: 'log-files',
    value: 'COUNT',
    say: 'How many full files of each of them are kept.',
    otherwise: '4',
    parse: parseCount,
    fallback: () => 4,
  },
  postgresDirs: {
    name: 'postgres-dir',
    value: 'DIR[,DIR]',
    say: 'Postgres installations of your own, such as /usr/lib/postgresql/17, in place of the ones of their majors that came with Lakelet.',
    otherwise: 'none',
    parse: parseDirectories,
    fallback: () => [],
  },
  poolReserve: {
    name: 'pool-reserve',
    value: 'ROOM',
    say: 'Room that the storage pool keeps for the branches that are there: with less, no new branch or snapshot is begun. A share, a size, or both for the smaller one.',
    otherwise: '5%,4GB',
    parse: parseReserve,
    fallback: () => parseReserve('5%,4GB'),
  },
  diskReserve: {
    name: 'disk-reserve',
    value: 'ROOM',
    say: 'The same for the disk of the state directory, where WAL and catalog are.',
    otherwise: '5%,4GB',
    parse: parseReserve,
    fallback: () => parseReserve('5%,4GB'),
  },
  strayGrace: {
    name: 'stray-grace',
    value: 'TIME',
    say: 'How long files that no record knows stay where they are before they are set aside.',
    otherwise: '1d',
    parse: parseLength,
    fallback: () => days(1),
  },
  strayRetention: {
    name: 'stray-retention',
    value: 'TIME',
    say: 'How long files that were set aside are kept before they are deleted.',
    otherwise: '7d',
    parse: parseLength,
    fallback: () => days(7),
  },
  collectGrace: {
    name: 'collect-grace',
    value: 'TIME',
    say: 'How long the worktree, git branch or pull request of a branch has been gone before the branch is deleted.',
    otherwise: '1h',
    parse: parseLength,
    fallback: () => hours(1),
  },
  warnBefore: {
    name: 'warn-before',
    value: 'TIME',
    say: 'How long before its end the audit log and webhooks are told that a branch ends soon; of a short life in its last quarter.',
    otherwise: '15m',
    parse: parseLength,
    fallback: () => minutes(15),
  },
}
