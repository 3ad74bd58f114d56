/**
 * The configuration of a compute. It lives outside of the data directory and is written anew at each
 * start, so nothing in a clone has to be rewritten. Three layers: ours for a small idle server, the
 * caller's on top, and what nobody may override, which goes on the command line: there it wins over
 * every file, `ALTER SYSTEM`'s included.
 */
import type { PostgresMajor } from '../domain/project.ts'

/** Segment size given to initdb; small, so that a fresh branch and a copied WAL tail are small. */
export const walSegmentMegabytes = 4

export const superuser = 'cloud_admin'

/** For an idle server in 16 MiB that still does honest work; the numbers were measured, not guessed. */
export function leanSettings(major: PostgresMajor): Readonly<Record<string, string>> {
  return {
    // Memory that Postgres touches at start: sized by connections × these, so stock values would
    // cost 6 MB more with the 209 connections of 1 CU. 24 × 209 locks are near stock's 64 × 100.
    max_locks_per_transaction: '24',
    max_pred_locks_per_transaction: '10',
    wal_buffers: '256kB',
    // No launcher process (0.8 MB); who subscribes to a publication sets it.
    max_logical_replication_workers: '0',
    huge_pages: 'off',
    ...(major >= 18
      ? // No I/O worker processes, so no use for more than one AIO handle: each is memory of every
        // connection slot, 6 MB with stock values.
        {
          io_method: 'sync',
          io_max_concurrency: '1',
          autovacuum_worker_slots: '3',
          // Its connection slots are larger; these two bring it below 16 MiB again.
          max_locks_per_transaction: '20',
          wal_buffers: '128kB',
        }
      : {}),
    jit: 'off', // the build has none
    autovacuum: 'on',
    autovacuum_max_workers: '3',

    // What a wake-up or a branch has to replay is at most this much.
    max_wal_size: '256MB',
    min_wal_size: '16MB',
    checkpoint_timeout: '5min',
    wal_init_zero: 'on',

    password_encryption: 'scram-sha-256',
    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    default_text_search_config: 'pg_catalog.english', // initdb would have chosen it
    log_statement: 'none',
    log_checkpoints: 'off',
    log_line_prefix: '%m [%p] ',
  }
}

export interface Places {
  /** Names the compute: process titles and log. */
  readonly uid: string
  readonly dataDirectory: string
  /** Socket and configuration files. */
  readonly runDirectory: string
  /** Socket directory of the compute that this one is a standby of. */
  readonly followed?: string
  readonly keepsWal?: boolean
}

export const configurationFile = 'postgresql.conf'
export const hbaFile = 'pg_hba.conf'
export const identFile = 'pg_ident.conf'

/** Settings that a caller cannot override. */
export function forcedSettings(places: Places): Readonly<Record<string, string>> {
  return {
    config_file: `${places.runDirectory}/${configurationFile}`,
    hba_file: `${places.runDirectory}/${hbaFile}`,
    ident_file: `${places.runDirectory}/${identFile}`,
    external_pid_file: '',
    listen_addresses: '', // nothing but the socket: whoever reaches it is trusted
    port: '5432',
    unix_socket_directories: places.runDirectory,
    unix_socket_permissions: '0777', // the directory is 0700
    ssl: 'off',
    cluster_name: places.uid,
    logging_collector: 'off', // the log is our file by redirection of stderr
    log_destination: 'stderr',
    fsync: 'on',
    full_page_writes: 'on',
    wal_level: 'replica',
    // A finished segment is never written again: a branch holds links to its source's, and none lies
    // ahead of the log's end to be copied into a branch by mistake. Costs nothing measurable here.
    wal_recycle: 'off',
    // Of readers and of whoever subscribes: a limit would end them without a word.
    max_replication_slots: '10',
    max_wal_senders: '10',
    max_slot_wal_keep_size: '-1',
    // In MB: of history nothing is removed by Postgres, of all else nothing is kept by it.
    wal_keep_size: places.keepsWal === true ? '2147483647' : '0',
    archive_mode: 'off',
    archive_command: '',
    archive_library: '',
    // Commands of the shell, as the service user, whoever may set settings.
    restore_command: '',
    archive_cleanup_command: '',
    recovery_end_command: '',
    // A commit would wait for a standby, and standbys sleep.
    synchronous_standby_names: '',
    superuser_reserved_connections: '3', // the server's own questions
    track_activities: 'on', // suspension for idleness reads them
    restart_after_crash: 'on',
    dynamic_library_path: '$libdir',
    ...(places.followed === undefined ? {} : standbySettings(places.uid, places.followed)),
  }
}

/**
 * What makes a hot standby. Its slot on the source is temporary: WAL is held for it as long as it is
 * connected, and for nobody when it sleeps.
 */
const standbySettings = (uid: string, followed: string): Readonly<Record<string, string>> => ({
  hot_standby: 'on',
  primary_conninfo: connectionText({
    host: followed,
    port: '5432',
    user: superuser,
    application_name: uid,
    sslmode: 'disable',
    connect_timeout: '5',
    // A source that stops waits for its standbys to have received everything: not for one that hangs.
    options: '-c wal_sender_timeout=10000',
  }),
  primary_slot_name: '',
  wal_receiver_create_temp_slot: 'on',
  recovery_target: '',
  recovery_target_lsn: '',
  recovery_target_name: '',
  recovery_target_time: '',
  recovery_target_xid: '',
  recovery_target_timeline: 'latest',
})

/** Keyword and value pairs as libpq reads them. */
const connectionText = (parameters: Readonly<Record<string, string>>): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${name}='${value.replace(/['\\]/g, '\\$&')}'`)
    .join(' ')

/** What a caller cannot set though we do not: in Postgres 15 this file would make a standby writable. */
export const refusedSettings: ReadonlySet<string> = new Set(['promote_trigger_file'])

/** `postgres` with its data directory, what nobody may override, and what this one start needs. */
export const commandLine = (
  places: Places,
  ofThisStart: Readonly<Record<string, string>> = {},
): readonly string[] => [
  '-D',
  places.dataDirectory,
  ...Object.entries({ ...forcedSettings(places), ...ofThisStart }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]),
]

/** A name that Postgres reads as one; anything else could smuggle in a second line. */
const SETTING_NAME = /^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$/

/** What is wrong with a setting's name, or `undefined`. */
export const settingProblem = (name: string, value: string): string | undefined => {
  if (!SETTING_NAME.test(name)) return 'the name of a setting is not valid'
  if (value.includes('\0')) return `the value of ${name} holds a zero byte`
  if (/^include(_dir|_if_exists)?$/i.test(name)) return `${name} is not a setting`
  return undefined
}

/** The file for one start: our settings, then the caller's; a later line wins. */
export function renderConfiguration(
  major: PostgresMajor,
  settings: Readonly<Record<string, string>>,
): string {
  const lines = ['# Written at each start; changes are lost.']
  for (const layer of [leanSettings(major), settings]) {
    for (const [name, value] of Object.entries(layer)) {
      const problem = settingProblem(name, value)
      if (problem !== undefined) throw new Error(problem)
      lines.push(`${name} = ${quoteSetting(value)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** A value as Postgres's configuration files quote it: no raw newline, `'` and `\` escaped. */
export function quoteSetting(value: string): string {
  const escaped = value.replace(/['\\\n\r\t\b\f]/g, (character) => {
    switch (character) {
      case "'":
        return "''"
      case '\\':
        return '\\\\'
      case '\n':
        return '\\n'
      case '\r':
        return '\\r'
      case '\t':
        return '\\t'
      case '\b':
        return '\\b'
      default:
        return '\\f'
    }
  })
  return `'${escaped}'`
}

/** Whoever reaches the socket has been authenticated by the gateway, or is the server itself. */
export const hbaRules = [
  '# Written at each start; changes are lost.',
  `local replication ${superuser} trust`,
  'local all all trust',
  '',
].join('\n')
