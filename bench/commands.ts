/** Programs that are measured or that measure: argv arrays, no shell, output kept for the error. */
import { type ChildProcess, spawn } from 'node:child_process'

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Its standard input is a pipe of ours; default: nothing to read. */
  readonly hasInput?: boolean
}

/** Variables that would lead a client to another server than the one that is measured. */
const foreign = /^(PG|DATABRICKS_|LAKEBASE_|LAKELET_)/

export const plainEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) =>
      value === undefined || foreign.test(key) ? [] : [[key, value]],
    ),
  )

/** Children that are running now: ended when measuring is cut short. */
const children = new Set<ChildProcess>()

export function endChildren(): void {
  for (const child of children) child.kill('SIGTERM')
}

/** Standard output; anything but exit code 0 throws. */
export async function run(
  command: string,
  args: readonly string[],
  { env = {}, cwd }: RunOptions = {},
): Promise<string> {
  const { child, ended } = start(command, args, { env, ...(cwd === undefined ? {} : { cwd }) })
  const { code, stdout, stderr } = await ended
  if (code !== 0) {
    throw new Error(`${command} ${args[0] ?? ''} ended with ${code ?? child.signalCode}: ${stderr}`)
  }
  return stdout
}

export interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>
}

export function start(command: string, args: readonly string[], options: RunOptions = {}): Started {
  const child = spawn(command, args, {
    stdio: [options.hasInput === true ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...plainEnvironment(), ...options.env },
  })
  children.add(child)
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = `${stderr}${text}`.slice(-2000)
  })
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>(
    (resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => resolve({ code, stdout, stderr }))
    },
  ).finally(() => children.delete(child))
  return { child, ended }
}
