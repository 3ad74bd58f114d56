/** `lakelet branch verify`: the report as lines for people, or as JSON; exit code 1 when something is wrong. */
import { clientOf, type FillCommand, sharedOptions } from './command-context.ts'
import { awaitOperation, type WaitFlags, withWaitFlags } from './operation-output.ts'
import { branchArgument, findBranch, readTarget } from './psql-target.ts'
import { type CliIo, coloursFor, printable, printJson } from './terminal.ts'

interface Problem {
  readonly found_by?: string
  readonly postgres_database?: string
  readonly relation?: string
  readonly fork?: string
  readonly block?: number
  readonly file?: string
  readonly message?: string
}

interface Report {
  readonly branch?: string
  readonly clone_time?: string
  readonly is_sound?: boolean
  readonly problem_count?: number
  readonly problems?: readonly Problem[]
  readonly data_checksums?: boolean
  readonly pages_checked?: number
  readonly amcheck_version?: string
  readonly databases?: readonly {
    readonly postgres_database?: string
    readonly tables_checked?: number
    readonly indexes_checked?: number
    readonly unchecked_count?: number
  }[]
}

export const fillVerify: FillCommand = (command, context) => {
  const { io } = context
  command.argument(...branchArgument).addHelpText(
    'after',
    `
Every page of a throw-away clone is read (data checksums), every table and B-tree index looked into
(amcheck), in every database. The branch goes on meanwhile. Exit code 1 when something is wrong.

Example:
  lakelet branch verify app/production`,
  )
  withWaitFlags(command).action(async (text: string, flags: WaitFlags) => {
    const target = readTarget(text, {})
    const client = await clientOf(command, context)
    const branch = await findBranch(client, target)
    const operation = await client.act(branch, 'verify')
    if (flags.wait === false) return printJson(operation, io)
    const report = (await awaitOperation(
      client,
      operation,
      flags,
      `Verifying ${branch}`,
      io,
    )) as Report
    if (sharedOptions(command).output === 'json') printJson(report, io)
    else for (const line of linesOf(report, io)) io.stdout.write(`${line}\n`)
    if (report.is_sound !== true) context.setExitCode(1)
  })
}

function* linesOf(report: Report, io: CliIo): Generator<string> {
  const { red, green, bold } = coloursFor(io.stdout, io)
  const { problem_count: count = 0, problems = [], databases = [] } = report
  const verdict =
    report.is_sound === true ? green('is sound') : red(`has ${some(count, 'problem')}`)
  yield `${bold(printable(report.branch ?? ''))} ${verdict}, as of ${report.clone_time}.`
  for (const problem of problems) yield `  ${printable(sayProblem(problem))}`
  if (count > problems.length) yield `  and ${count - problems.length} more`
  const checksums = report.data_checksums === false ? ' (headers alone: no data checksums)' : ''
  yield `${some(report.pages_checked ?? 0, 'page')} read${checksums}.`
  if (report.amcheck_version === undefined) {
    yield 'Structure was not checked: this Postgres comes without amcheck, or did not start.'
  }
  for (const database of databases) {
    const {
      postgres_database: name = '',
      tables_checked: tables = 0,
      indexes_checked: indexes = 0,
      unchecked_count: others = 0,
    } = database
    const rest = others === 0 ? '' : `; ${others} that amcheck cannot look into`
    yield `${printable(name)}: ${some(tables, 'table')} and ${some(indexes, 'index')} checked${rest}.`
  }
}

function sayProblem({
  postgres_database: database,
  relation,
  fork,
  block,
  file,
  message,
}: Problem) {
  const what = relation ?? file
  const where = [
    ...(what === undefined ? [] : [what]),
    ...(database === undefined ? [] : [`in ${database}`]),
    ...(fork === undefined || fork === 'main' ? [] : [`fork ${fork}`]),
    ...(block === undefined ? [] : [`block ${block}`]),
  ]
  return where.length === 0 ? (message ?? '') : `${where.join(', ')}: ${message}`
}

const some = (count: number, noun: string): string => {
  const plural = noun === 'index' ? 'indexes' : `${noun}s`
  return `${count} ${count === 1 ? noun : plural}`
}
