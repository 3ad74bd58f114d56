/** pgbench as load and as measure. Debian keeps it outside of PATH. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { run, type Started, start } from './commands.ts'
import { database, type Login } from './login.ts'

const root = '/usr/lib/postgresql'

export function findPgbench(): string {
  const majors = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const found = [...majors.map((major) => join(root, major, 'bin/pgbench')), '/usr/bin/pgbench']
  const program = found.find((file) => existsSync(file))
  if (program === undefined) throw new Error('pgbench is not installed')
  return program
}

export type Target =
  | { readonly socket: string }
  | { readonly login: Login; readonly caFile: string }

function addressOf(target: Target): { args: string[]; env: Record<string, string> } {
  if ('socket' in target) return { args: ['-h', target.socket, '-U', 'cloud_admin'], env: {} }
  const { host, port, user, password } = target.login
  return {
    args: ['-h', host, '-p', String(port), '-U', user],
    env: { PGPASSWORD: password, PGSSLMODE: 'verify-full', PGSSLROOTCERT: target.caFile },
  }
}

/** Server-side generation; primary keys and a vacuum, as pgbench does by itself. */
export async function fillTpcb(target: Target, scale: number): Promise<void> {
  const { args, env } = addressOf(target)
  await run(findPgbench(), ['-i', '-I', 'dtGvp', '-s', String(scale), '-q', ...args, database], {
    env,
  })
}

const tpcb = (seconds: number) => ['-n', '-c', '4', '-j', '2', '-T', String(seconds)]

/** Transactions per second, four clients. */
export async function measureTpcb(target: Target, seconds: number): Promise<number> {
  const { args, env } = addressOf(target)
  const output = await run(findPgbench(), [...tpcb(seconds), ...args, database], { env })
  const tps = /^tps = ([\d.]+)/m.exec(output)?.[1]
  if (tps === undefined) throw new Error(`pgbench says no tps: ${output}`)
  return Number(tps)
}

/** Load until it is killed. */
export function startTpcb(target: Target): Started {
  const { args, env } = addressOf(target)
  return start(findPgbench(), [...tpcb(36_000), ...args, database], { env })
}
