/**
 * A program that runs for long: its standard error is read line by line while it works, and it ends when
 * the signal says so. It gets the environment that is given and nothing of ours.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { CommandFailed } from './subprocess.ts'
import { seconds, timer } from './time.ts'

export interface LongCommand {
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly signal: AbortSignal
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** Of standard error, as they come. */
  readonly onLine?: (line: string) => void
}

const keptLines = 40
const mostOutput = 64 * 2 ** 20

/** Standard output; `CommandFailed` with the last lines of standard error; what the signal aborted with. */
export async function runLong(
  command: string,
  args: readonly string[],
  { env, cwd, signal, user, onLine }: LongCommand,
): Promise<string> {
  signal.throwIfAborted()
  const child = spawn(command, [...args], {
    cwd,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  })
  const kept: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    kept.push(line)
    if (kept.length > keptLines) kept.shift()
    onLine?.(line)
  })
  const output: Buffer[] = []
  let size = 0
  child.stdout.on('data', (bytes: Buffer) => {
    size += bytes.length
    if (size > mostOutput) child.kill('SIGKILL')
    else output.push(bytes)
  })
  let impatience: { cancel(): void } | undefined
  const end = () => {
    child.kill('SIGTERM')
    impatience = timer(seconds(5), () => void child.kill('SIGKILL'))
  }
  signal.addEventListener('abort', end, { once: true })
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    signal.throwIfAborted()
    if (code !== 0) {
      // Some programs tell their errors to standard output.
      const said = kept.length > 0 ? kept : lines(Buffer.concat(output)).slice(-keptLines)
      throw new CommandFailed(command, code ?? undefined, said.join('\n'))
    }
    return Buffer.concat(output).toString('utf8')
  } finally {
    impatience?.cancel()
    signal.removeEventListener('abort', end)
  }
}

const lines = (output: Buffer): readonly string[] => output.toString('utf8').trimEnd().split('\n')
