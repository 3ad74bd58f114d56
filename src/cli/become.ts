/** Runs a program in our place as far as a Node program can: same terminal, same signals, same exit code. */
import { spawn } from 'node:child_process'
import { constants as osConstants } from 'node:os'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

export interface BecomeOptions {
  readonly cwd?: string
  /** What it prints goes to standard error: standard output is for our own answer. */
  readonly isQuiet?: boolean
  /** Ends it, with all that it has started. */
  readonly signal?: AbortSignal
}

/** Ctrl-C reaches both of us; what it means is for the program alone to say. Rejects when it cannot be started. */
export function become(
  program: string,
  args: readonly string[],
  env: CliIo['env'],
  { cwd, isQuiet = false, signal: ending }: BecomeOptions = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['inherit', isQuiet ? 2 : 'inherit', 'inherit'],
      env,
      ...(cwd === undefined ? {} : { cwd }),
      detached: ending !== undefined, // a group of its own, to be ended as a whole
    })
    const end = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    }
    ending?.addEventListener('abort', end)
    const ignore = () => undefined
    const forward = (signal: NodeJS.Signals) => child.kill(signal)
    const passed = ['SIGTERM', 'SIGHUP'] as const
    process.on('SIGINT', ignore)
    for (const signal of passed) process.on(signal, forward)
    const settle = () => {
      ending?.removeEventListener('abort', end)
      process.off('SIGINT', ignore)
      for (const signal of passed) process.off(signal, forward)
    }
    child.once('error', (error) => {
      settle()
      reject(error)
    })
    child.once('exit', (code, signal) => {
      settle()
      resolve(code ?? 128 + (signal === null ? 0 : osConstants.signals[signal]))
    })
  })
}

/** As `become`; refused where there is no such program. */
export async function becomeKnown(
  ...[program, args, env]: Parameters<typeof become>
): Promise<number> {
  try {
    return await become(program, args, env)
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    throw isAbsent ? new Refusal(`there is no program ${program} on your PATH`) : error
  }
}
