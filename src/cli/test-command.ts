/**
 * `lakelet test`: databases for one test run, a fresh one for each test file. This process owns them: it makes the run's branch,
 * migrates it, keeps copies ready, hands them out by a socket, and takes everything away when the run is over. The packages
 * for test runners start it with `--serve` and hold its standard input open, so it also learns when the runner was killed.
 */
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { Command } from 'commander'
import { humanDurationForms, parseHumanDuration } from '../lib/human-duration.ts'
import { type Millis, seconds, systemClock } from '../lib/time.ts'
import { Claims } from '../testing/claim-socket.ts'
import { TestPool } from '../testing/test-pool.ts'
import { branchIdFor } from '../worktree/branch-id.ts'
import { findProjectFile } from '../worktree/project-file.ts'
import { becomeKnown } from './become.ts'
import { hearCaller } from './caller.ts'
import type { CommandContext, FillCommand } from './command-context.ts'
import { findProject } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { findMigrations, type MigratedPlace, runMigrations } from './run-migrations.ts'
import { type CliIo, coloursFor } from './terminal.ts'
import { accessFrom, type Fields, renewBefore, TestBranches } from './test-branches.ts'
import { branchesOf, databasesIn, type TestCopy } from './test-copies.ts'
import { placeIfAny, reach, variablesOf } from './worktree-branch.ts'

const details = `
Makes a branch for the run, an empty database in it, runs the migrations there once, and keeps copies of that ready.
@lakelet/testing and pytest-lakelet take one for each test file. With --branches they take branches instead,
whose migrations begin with the data of the source. All is gone when CMD is over, or --ttl after this was killed.

Examples:
  lakelet test -- npx vitest run
  lakelet test --branches --source production -- node --test
  lakelet test --migrate 'alembic upgrade head' -- pytest -n 4`

interface TestFlags {
  readonly project?: string
  readonly source?: string
  readonly branches?: boolean
  /** Absent: what lakelet.toml says. */
  readonly migrate?: string | false
  readonly ahead?: string
  readonly ttl: string
  readonly serve?: boolean
  readonly hold?: boolean
}

export const fillTest: FillCommand = (command, context) => {
  command
    .argument('[CMD...]', 'after --: the test runner and its arguments')
    .option('--project <id>', 'id of the project')
    .option('--source <branch>', "id of the branch to begin with; default: the project's default")
    .option('--branches', 'a branch for each test file, not a database')
    .option('--migrate <line>', 'run by sh; default: what lakelet.toml says, else what is found')
    .option('--no-migrate', 'do not run migrations')
    .option('--ahead <number>', 'how many are kept ready, 1 to 64; default: one for each core')
    .option('--ttl <time>', 'when all of it ends after this was killed', '15m')
    .option('--serve', 'run nothing: serve until standard input ends')
    .option('--hold', 'with --serve: migrations are run by the caller')
    .addHelpText('after', details)
    .action(async (_words: unknown, flags: TestFlags) => {
      const { afterDashes } = context
      if (afterDashes.length === 0 && flags.serve !== true) {
        throw new Refusal('there is nothing to run', 'Name it after --: lakelet test -- npx vitest')
      }
      await ownRun(command, context, flags)
    })
}

/** A third of it passes between two renewals, and a server may be away for a while. */
const shortestLife = seconds(30)

async function ownRun(command: Command, context: CommandContext, flags: TestFlags): Promise<void> {
  const { io } = context
  const ahead = aheadOf(flags.ahead)
  const life = lifeOf(flags.ttl)
  const place = await migratedPlace(io)
  const { file } = place
  const { client, connection } = await reach(command, context)
  const { userName: login } = await client.me()
  const project = await findProject(client, flags.project ?? file.project)
  const onTrouble = (error: unknown) => {
    const says = error instanceof Error ? error.message : String(error)
    io.stderr.write(`${coloursFor(io.stderr, io).yellow('lakelet test:')} ${says}\n`)
  }
  const ending = new AbortController()
  const end = () => ending.abort()
  for (const signal of endingSignals) process.on(signal, end)
  const caller = flags.serve === true ? hearCaller(end) : undefined
  const branches = new TestBranches({
    ...{ client, connection, project, login, file, life, io, onTrouble },
  })
  const ends = [() => branches.end()]
  try {
    const { signal } = ending
    const id = branchIdFor(login, { identity: randomBytes(16), text: 'test' })
    const source = flags.source === undefined ? undefined : `${project}/branches/${flags.source}`
    const branch = await branches.make(id, source)
    const fields = () => branches.fieldsOf(branch)
    const copies =
      flags.branches === true
        ? await branchesOf(branches, branch.name, fields)
        : await databasesIn(fields)
    ends.push(() => copies.end())
    signal.throwIfAborted()
    const told = (of: Fields) => accessFrom(of, variablesOf(file, of))
    if (flags.hold === true && caller !== undefined) {
      io.stdout.write(`${JSON.stringify({ template: told(copies.template).line })}\n`)
      await Promise.race([caller.told, aborted(signal)])
    } else {
      await migrateTemplate(flags.migrate, place, copies.template, io, signal)
    }
    signal.throwIfAborted()
    const pool = new TestPool(copies, ahead, onTrouble)
    ends.push(() => pool.end())
    await pool.fill()
    const access = async (copy: TestCopy) => told(await copy.fields())
    const claims = await Claims.listen({
      ...{ pool, access, clock: systemClock, onTrouble, renewBefore },
    })
    ends.push(() => claims.end())
    signal.throwIfAborted()
    if (caller === undefined) {
      const [program = '', ...args] = context.afterDashes
      const env = { ...io.env, [poolVariable]: claims.path }
      context.setExitCode(await becomeKnown(program, args, env))
    } else {
      io.stdout.write(`${JSON.stringify({ pool: claims.path })}\n`)
      await aborted(signal)
    }
  } catch (error) {
    if (!ending.signal.aborted) throw error
    context.setExitCode(130) // asked to end before the tests began
  } finally {
    for (const undo of ends.reverse()) await undo().catch(onTrouble)
    for (const signal of endingSignals) process.off(signal, end)
    caller?.leave()
  }
}

/** Where workers find the socket. */
const poolVariable = 'LAKELET_TEST_POOL'
const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** `asked`: a line in place of what lakelet.toml says and of what is found; `false`: none. */
async function migrateTemplate(
  asked: string | false | undefined,
  { worktree, file }: MigratedPlace,
  template: Fields,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  if (asked === false) return
  const told = asked === undefined ? file : { ...file, migrate: asked }
  const migrations = await findMigrations({ worktree, file: told }, io)
  if (migrations === undefined) return
  const code = await runMigrations(migrations, template, file, io, { isQuiet: true, signal })
  if (code === 0) return
  throw new Refusal(
    `migrations ended with ${code}: ${migrations.line}`,
    'No test was run, and nothing is left of them: mend them and try again.',
  )
}

/** Tests also run where there is no git, in an image say; then the nearest project file counts all the same. */
const migratedPlace = async (io: CliIo): Promise<MigratedPlace> =>
  (await placeIfAny(io)) ?? { worktree: undefined, file: await findProjectFile(io.cwd, io.cwd) }

function aheadOf(text: string | undefined): number {
  if (text === undefined) return Math.min(64, availableParallelism())
  if (/^[1-9]\d?$/.test(text) && Number(text) <= 64) return Number(text)
  throw new Refusal(`--ahead: ${JSON.stringify(text)} is not a number from 1 to 64`)
}

function lifeOf(text: string): Millis {
  const life = parseHumanDuration(text)
  if (life !== undefined && life >= shortestLife) return life
  throw new Refusal(
    `--ttl: ${JSON.stringify(text)} is not ${humanDurationForms}, 30s or more`,
    'It is moved on while the run lives, so 15m is enough for hours.',
  )
}
