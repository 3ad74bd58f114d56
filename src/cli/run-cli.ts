/**
 * The command line: finds the command that is asked for, loads only that one, runs it, and turns
 * whatever happens into an exit code. 0 is success, 1 is everything else; `psql` passes on its own.
 *
 * `lakelet up` starts the server, so it lives where the parts meet (src/main): `main` looks at the
 * first argument, takes `up` for itself with `readUpFlags` of `up-flags.ts`, and hands everything
 * else, `up --help` included, to `runCli`.
 */
import { Command, CommanderError, Option } from 'commander'
import { version } from '../lib/version.ts'
import type { CommandContext, FillCommand, SharedOptions } from './command-context.ts'
import { reportError } from './report-error.ts'
import { type CliIo, coloursFor, processIo } from './terminal.ts'

interface TopCommand {
  readonly name: string
  readonly describe: string
  /** Has commands of its own, so that its bare name asks for help. */
  readonly isGroup?: true
  readonly load: () => Promise<FillCommand>
}

const commands: readonly TopCommand[] = [
  {
    name: 'up',
    describe: 'Start the server on this machine, in the foreground.',
    load: async () => (await import('./up-flags.ts')).fillUp,
  },
  {
    name: 'status',
    describe: 'Show what the server is and does.',
    load: async () => (await import('./status-command.ts')).fillStatus,
  },
  {
    name: 'stop',
    describe: 'Stop the server on this machine.',
    load: async () => (await import('./stop-command.ts')).fillStop,
  },
  {
    name: 'env',
    describe: 'Print the variables that other programs need to reach this server.',
    load: async () => (await import('./env-command.ts')).fillEnv,
  },
  {
    name: 'dev',
    describe: 'Give this git worktree a branch of its own.',
    load: async () => (await import('./dev-command.ts')).fillDev,
  },
  {
    name: 'run',
    describe: "Run a program with this worktree's database.",
    load: async () => (await import('./run-command.ts')).fillRun,
  },
  {
    name: 'url',
    describe: "Print the address of this worktree's database, password included.",
    load: async () => (await import('./run-command.ts')).fillUrl,
  },
  {
    name: 'gc',
    describe: 'Delete the branches of worktrees that are gone.',
    load: async () => (await import('./gc-command.ts')).fillGc,
  },
  {
    name: 'test',
    describe: 'Run tests, each file with a fresh database.',
    load: async () => (await import('./test-command.ts')).fillTest,
  },
  {
    name: 'migrate',
    describe: "Run this project's migrations, compare them with a database, or rehearse them.",
    load: async () => (await import('./migrate-command.ts')).fillMigrate,
  },
  {
    name: 'diff',
    describe: 'Show how the schema and the rows of two branches differ.',
    load: async () => (await import('./diff-command.ts')).fillDiff,
  },
  {
    name: 'hooks',
    describe: 'Give worktrees their databases at each checkout.',
    isGroup: true,
    load: async () => (await import('./hooks-command.ts')).fillHooks,
  },
  {
    name: 'init',
    describe: 'Write lakelet.toml and rules for coding agents into this repository.',
    load: async () => (await import('./init-command.ts')).fillInit,
  },
  {
    name: 'mcp',
    describe: 'Give a coding agent tools for the database of this git worktree.',
    load: async () => (await import('./mcp-command.ts')).fillMcp,
  },
  {
    name: 'psql',
    describe: 'Open psql on a branch.',
    load: async () => (await import('./psql-command.ts')).fillPsql,
  },
  {
    name: 'import',
    describe: 'Fill a new branch from another Postgres.',
    load: async () => (await import('./import-command.ts')).fillImport,
  },
  {
    name: 'export',
    describe: 'Write a branch to a file: a dump, or a cluster that plain Postgres starts from.',
    load: async () => (await import('./export-command.ts')).fillExport,
  },
  {
    name: 'postgres',
    describe: 'Projects, branches, endpoints and credentials.',
    isGroup: true,
    load: async () => (await import('./postgres-commands.ts')).fillPostgres,
  },
  {
    name: 'backup',
    describe: 'Copy a branch away from this machine, and back.',
    isGroup: true,
    load: async () => (await import('./backup-command.ts')).fillBackup,
  },
  {
    name: 'branch',
    describe: 'What can be done with a branch besides.',
    isGroup: true,
    load: async () => (await import('./branch-command.ts')).fillBranch,
  },
  {
    name: 'snapshot',
    describe: 'Keep a branch as it is now, for later.',
    isGroup: true,
    load: async () => (await import('./snapshot-command.ts')).fillSnapshot,
  },
  {
    name: 'auth',
    describe: 'Sign in, and show who is signed in where.',
    isGroup: true,
    load: async () => (await import('./auth-command.ts')).fillAuth,
  },
  {
    name: 'setup-link',
    describe: 'Make a link with which a user sets a password.',
    load: async () => (await import('./setup-link-command.ts')).fillSetupLink,
  },
  {
    name: 'current-user',
    describe: 'Who the access token belongs to.',
    isGroup: true,
    load: async () => (await import('./current-user-command.ts')).fillCurrentUser,
  },
  {
    name: 'users',
    describe: 'People who call and log in.',
    isGroup: true,
    load: async () => (await import('./identity-commands.ts')).fillUsers,
  },
  {
    name: 'service-principals',
    describe: 'Programs that call and log in.',
    isGroup: true,
    load: async () => (await import('./identity-commands.ts')).fillServicePrincipals,
  },
  {
    name: 'service-principal-secrets',
    describe: 'What service principals get tokens with.',
    isGroup: true,
    load: async () => (await import('./identity-commands.ts')).fillServicePrincipalSecrets,
  },
  {
    name: 'groups',
    describe: 'Who belongs together.',
    isGroup: true,
    load: async () => (await import('./identity-commands.ts')).fillGroups,
  },
  {
    name: 'tokens',
    describe: 'Your personal access tokens.',
    isGroup: true,
    load: async () => (await import('./identity-commands.ts')).fillTokens,
  },
  {
    name: 'token-management',
    describe: "Everybody's personal access tokens.",
    isGroup: true,
    load: async () => (await import('./identity-commands.ts')).fillTokenManagement,
  },
  {
    name: 'permissions',
    describe: 'Who may do what with a project.',
    isGroup: true,
    load: async () => (await import('./identity-commands.ts')).fillPermissions,
  },
  {
    name: 'audit',
    describe: 'Show the audit log: who did what, when and with what result.',
    load: async () => (await import('./audit-command.ts')).fillAudit,
  },
  {
    name: 'api',
    describe: 'Call any method of the API.',
    isGroup: true,
    load: async () => (await import('./api-command.ts')).fillApi,
  },
  {
    name: 'version',
    describe: 'Print the version.',
    load: async () => (await import('./version-command.ts')).fillVersion,
  },
]

const overview = `Copy-on-write Postgres branches behind the Lakebase Postgres API.

Start the server with "lakelet up"; then, in another terminal:
  lakelet postgres create-project app
  lakelet postgres create-branch projects/app dev --ttl 6h
  lakelet psql app/dev`

const connectionHelp = `
Where commands go, the first that applies:
  1. --profile NAME                  a profile of ~/.databrickscfg, or DATABRICKS_CONFIG_FILE
  2. DATABRICKS_HOST                 with DATABRICKS_TOKEN, or with DATABRICKS_CLIENT_ID
                                     and DATABRICKS_CLIENT_SECRET, or in CI with the job's own token
                                     (DATABRICKS_AUTH_TYPE=github-oidc, env-oidc, file-oidc), or
                                     after "lakelet auth login"
  3. DATABRICKS_CONFIG_PROFILE=NAME  a profile, as above
  4. the server of this machine      found by --state-dir, LAKELET_STATE_DIR or the default place
  5. profile DEFAULT

Exit codes: 0 success, 1 anything else; psql passes on its own.`

/** Exit code of `lakelet ARGV…`; never ends the process itself. */
export async function runCli(argv: readonly string[], io: CliIo = processIo()): Promise<number> {
  let exitCode = 0
  const dashes = argv.indexOf('--')
  const context: CommandContext = {
    io,
    afterDashes: dashes === -1 ? [] : argv.slice(dashes + 1),
    setExitCode: (code) => {
      exitCode = code
    },
  }
  const program = rootCommand(io)
  const { asked, isBare } = readWords(argv)
  try {
    for (const { name, describe, load } of commands) {
      const command = program.command(name).description(describe)
      if (name === asked) (await load())(command, context)
    }
    await program.parseAsync([...withoutGoBooleans(argv), ...(isBare ? ['--help'] : [])], {
      from: 'user',
    })
    return exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      return reportError(error, io, program.opts<SharedOptions>().debug === true)
    }
    if (error.exitCode === 0) return 0
    const known = commands.some(({ name }) => name === asked) ? ` ${asked}` : ''
    io.stderr.write(`Run "lakelet${known} --help" for usage.\n`)
    return 1
  }
}

function rootCommand(io: CliIo): Command {
  const program = new Command('lakelet')
    .description(overview)
    .version(`Lakelet v${version}`, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help for a command')
    .helpCommand('help [command]', 'Show help for a command.')
    .option('-p, --profile <name>', 'profile of ~/.databrickscfg')
    .addOption(
      new Option('-o, --output <format>', 'output format')
        .choices(['text', 'json'])
        .default(io.env.DATABRICKS_OUTPUT_FORMAT === 'json' ? 'json' : 'text'),
    )
    .option('--debug', 'show requests, and where an error came from, on standard error')
    .option('--state-dir <dir>', 'state directory of the server of this machine')
    .option('--config <file>', 'settings file of the server of this machine')
    .addHelpText('after', connectionHelp)
    .exitOverride()
  const red = coloursFor(io.stderr, io).red
  const bold = coloursFor(io.stdout, io).bold
  return program
    .configureHelp({ showGlobalOptions: true, styleTitle: (title) => bold(title) })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error:/, red('Error:'))),
    })
}

const takesValue = /^(-p|-o|--profile|--output|--state-dir|--config|--host)$/

/** The top command that the line names, and whether it is a group with nothing behind it. */
function readWords(argv: readonly string[]): { asked: string | undefined; isBare: boolean } {
  const words: string[] = []
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? ''
    if (word === '--') break
    if (takesValue.test(word)) at += 1
    else if (!word.startsWith('-')) words.push(word)
    else if (/^(-h|--help|-v|--version)$/.test(word)) words.push('help')
  }
  const [first, second] = words
  if (first === undefined) return { asked: undefined, isBare: true }
  const group = commands.find(({ name }) => name === first)?.isGroup === true
  return { asked: first === 'help' ? second : first, isBare: group && second === undefined }
}

/** Scripts of the official grammar may write `--purge=true`, as Go programs take it. */
const withoutGoBooleans = (argv: readonly string[]): string[] => {
  const end = argv.indexOf('--')
  return argv.flatMap((word, at) => {
    if (end !== -1 && at >= end) return [word]
    const match =
      /^(--(?:purge|follow|no-wait|show-deleted|replace-existing|no-expiry|debug))=(true|false)$/.exec(
        word,
      )
    if (match === null) return [word]
    return match[2] === 'true' ? [match[1] ?? word] : []
  })
}
