/**
 * Starts the owner of the pool, `lakelet test --serve`, from a test runner's own set-up. It lives as long as its standard input,
 * whose other end is here: when this process is killed, the owner takes its databases away all the same.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { type Access, poolVariable } from './claim-database.ts'
import { TestPoolProblem } from './test-pool-problem.ts'

export interface SetUpOptions {
  /** The line that a shell runs, or work of one's own, with the database to change; `false`: none; default: `migrate` of lakelet.toml. */
  readonly migrate?: string | false | ((template: Access) => Promise<void>)
  /** Id of the project; default: the one of lakelet.toml, else the only one. */
  readonly project?: string
  /** Id of the branch to begin with; default: the project's default branch. */
  readonly source?: string
  /** A branch with the source's data for each file, not a database; default: false. */
  readonly branches?: boolean
  /** How many are kept ready, 1 to 64; default: one for each core. */
  readonly ahead?: number
  /** When all of it ends after everybody was killed: '90s', '15m', …; default: 15m. */
  readonly ttl?: string
  /** Where lakelet.toml is looked for; default: the working directory. */
  readonly cwd?: string
  /** The program; default: LAKELET_COMMAND, else `lakelet` on the PATH. */
  readonly command?: string
}

type Owner = ChildProcessByStdio<Writable, Readable, Readable>

/**
 * Resolves when the first databases are ready, with what takes all of them away. Does nothing where the pool is there already: inside
 * of `lakelet test -- CMD`. Rejects with TestPoolProblem, or with what `migrate` throws.
 */
export async function setUp(options: SetUpOptions = {}): Promise<() => Promise<void>> {
  if (process.env[poolVariable]) return async () => undefined
  const { cwd, command = process.env.LAKELET_COMMAND || 'lakelet', migrate } = options
  const owner: Owner = spawn(command, ['test', '--serve', ...flagsOf(options)], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true, // Ctrl-C is for the runner, which ends us
    ...(cwd === undefined ? {} : { cwd }),
  })
  owner.stdin.on('error', () => undefined) // it is gone, and its exit says why
  const lines = linesOf(owner, command)
  try {
    if (typeof migrate === 'function') {
      const { template } = await lines.next()
      if (template === undefined) throw new Error('lakelet test has not said where to migrate')
      await migrate(template)
      owner.stdin.write('migrated\n')
    }
    const { pool } = await lines.next()
    process.env[poolVariable] = pool
  } catch (error) {
    await end(owner)
    throw error
  }
  // A runner that forgets the end shall not hang: the owner ends with it.
  for (const each of [owner, owner.stdin, owner.stdout, owner.stderr]) unref(each)
  return async () => {
    delete process.env[poolVariable]
    await end(owner)
  }
}

const flagsOf = ({ migrate, project, source, branches, ahead, ttl }: SetUpOptions): string[] => [
  ...(project === undefined ? [] : ['--project', project]),
  ...(source === undefined ? [] : ['--source', source]),
  ...(branches === true ? ['--branches'] : []),
  ...(ahead === undefined ? [] : ['--ahead', String(ahead)]),
  ...(ttl === undefined ? [] : ['--ttl', ttl]),
  ...(typeof migrate === 'function' ? ['--hold'] : []),
  ...(migrate === false ? ['--no-migrate'] : []),
  ...(typeof migrate === 'string' ? ['--migrate', migrate] : []),
]

interface Said {
  readonly template?: Access
  readonly pool?: string
}

/** What it says on standard output, line by line; refused with what it said on standard error when it ends instead. */
function linesOf(owner: Owner, command: string): { next(): Promise<Said> } {
  const said: Said[] = []
  let text = ''
  let complaint = ''
  let problem: Error | undefined
  let look: () => void = () => undefined
  owner.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) said.push(JSON.parse(line))
    look()
  })
  owner.stderr.setEncoding('utf8').on('data', (piece: string) => {
    complaint = `${complaint}${piece}`.slice(-4000)
    process.stderr.write(piece)
  })
  owner.once('error', (cause: NodeJS.ErrnoException) => {
    problem =
      cause.code === 'ENOENT'
        ? new TestPoolProblem(
            `there is no program ${command}`,
            'Put lakelet on the PATH (npm link in a clone of it), or name it: LAKELET_COMMAND=/path/to/lakelet',
            { cause },
          )
        : cause
    look()
  })
  owner.once('close', (code, signal) => {
    const why = complaint.trim() || `it ended with ${signal ?? code}`
    problem ??= new TestPoolProblem(`lakelet test could not make a test pool: ${why}`)
    look()
  })
  return {
    next: () =>
      new Promise((resolve, reject) => {
        look = () => {
          const line = said.shift()
          if (line !== undefined) resolve(line)
          else if (problem !== undefined) reject(problem)
        }
        look()
      }),
  }
}

/** Its input ends, so it takes everything away and ends as well. */
function end(owner: Owner): Promise<void> {
  return new Promise((resolve) => {
    if (owner.pid === undefined || owner.exitCode !== null || owner.signalCode !== null) {
      return resolve()
    }
    for (const each of [owner, owner.stdout]) if ('ref' in each) (each as { ref(): void }).ref()
    owner.once('close', () => resolve())
    owner.stdin.end()
  })
}

/** Pipes of a child are sockets, though their types say less. */
const unref = (each: object): void => {
  if ('unref' in each && typeof each.unref === 'function') each.unref()
}
