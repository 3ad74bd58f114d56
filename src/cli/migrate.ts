/** The migrations of a project: a line for a shell, as its project file writes it. */
import { spawn } from 'node:child_process'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

export interface Migrating {
  /** Where the project file lies. */
  readonly directory: string
  readonly env: CliIo['env']
  /** Standard output is for our answer alone: theirs goes to standard error. */
  readonly isQuiet: boolean
  /** What to do when they fail. */
  readonly afterwards: string
  /** Ends them. */
  readonly signal?: AbortSignal
}

/** Refused when they end with anything but 0. */
export function migrate(
  line: string,
  { directory, env, isQuiet, afterwards, signal: ending }: Migrating,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', line], {
      cwd: directory,
      env,
      stdio: ['inherit', isQuiet ? 2 : 'inherit', 'inherit'],
      detached: ending !== undefined, // then a group of their own, to be ended as a whole
    })
    const end = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM')
    }
    ending?.addEventListener('abort', end)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      ending?.removeEventListener('abort', end)
      if (code === 0) return resolve()
      reject(new Refusal(`migrations ended with ${signal ?? code}: ${line}`, afterwards))
    })
  })
}
