/** Runs the built program as scripts do, as a process of its own with nothing inherited. */
import { execFile, execFileSync } from 'node:child_process'
import { resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
export const program = resolve(root, 'dist/main/lakelet.js')

/** Once a test file; looks first, and waits when another one builds. */
export function buildProgram(): void {
  execFileSync(process.execPath, [resolve(root, 'scripts/setup.mjs')], { stdio: 'pipe' })
}

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Run {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly stdin?: string
  /** Milliseconds; default: 30 000. */
  readonly timeout?: number
}

export function runProgram(
  args: readonly string[],
  { env = {}, cwd, stdin, timeout = 30_000 }: Run = {},
): Promise<Ended> {
  return new Promise((done, fail) => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      {
        timeout,
        ...(cwd === undefined ? {} : { cwd }),
        env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...env },
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code
        if (typeof code === 'number') done({ code, stdout, stderr })
        else fail(error ?? new Error('no exit code'))
      },
    )
    child.stdin?.end(stdin)
  })
}
