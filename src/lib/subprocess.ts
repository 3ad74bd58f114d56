/** One-shot commands: an argv array, never a shell, fixed locale, bounded in time. */
import { execFile } from 'node:child_process'
import { x } from 'tinyexec'
import { type Millis, minutes } from './time.ts'

export class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
  readonly exitCode: number | undefined
  readonly stderr: string

  constructor(command: string, exitCode: number | undefined, stderr: string) {
    super(`${command} ended with ${exitCode ?? 'a signal'}: ${stderr.trim().slice(0, 2000)}`)
    this.exitCode = exitCode
    this.stderr = stderr
  }
}

export interface Command {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly patience?: Millis
  readonly uid?: number
  readonly gid?: number
}

/** Standard output of a command that ended with 0; anything else throws `CommandFailed`. */
export async function run(
  command: string,
  args: readonly string[],
  { env = {}, cwd, patience = minutes(2), uid, gid }: Command = {},
): Promise<string> {
  const result = await x(command, [...args], {
    timeout: patience,
    nodeOptions: {
      env: { ...process.env, LC_ALL: 'C', ...env },
      ...(cwd === undefined ? {} : { cwd }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  })
  if (result.exitCode !== 0) {
    throw new CommandFailed(`${command} ${args[0] ?? ''}`.trim(), result.exitCode, result.stderr)
  }
  return result.stdout
}

/** As `run`, for output whose every byte counts. Rejects with ENOENT where there is no such program. */
export function runForBytes(
  command: string,
  args: readonly string[],
  {
    env = {},
    cwd,
    patience = minutes(2),
    uid,
    gid,
    without = [],
    isSilent = false,
  }: Command & {
    /** Variables that it does not get. */
    readonly without?: readonly string[]
    /** Anything on standard error is a failure as well. */
    readonly isSilent?: boolean
  } = {},
): Promise<Buffer> {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !without.includes(name)),
  )
  const options = {
    encoding: 'buffer' as const,
    timeout: patience,
    maxBuffer: 64 * 2 ** 20,
    env: { ...inherited, LC_ALL: 'C', ...env },
    ...(cwd === undefined ? {} : { cwd }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  }
  return new Promise((resolve, reject) => {
    execFile(command, [...args], options, (error, stdout, stderr) => {
      const isGood = error === null && !(isSilent && stderr.length > 0)
      if (isGood) resolve(stdout)
      else if (error?.code === 'ENOENT') reject(error)
      else {
        const code = typeof error?.code === 'number' ? error.code : undefined
        reject(new CommandFailed(`${command} ${args[0] ?? ''}`, code, stderr.toString('utf8')))
      }
    })
  })
}
