/**
 * `lakelet psql`: finds the endpoint, gets a fresh credential for it, and becomes psql as far as a Node
 * program can: same terminal, same signals, same exit code. The password travels in the environment,
 * where other users cannot see it, never in the arguments.
 */
import { become } from './become.ts'
import { type FillCommand, sharedOptions } from './command-context.ts'
import { clientFor, connect } from './connection.ts'
import { findProgram } from './find-program.ts'
import { findEndpoint, hostOf, readTarget, type Target } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

const details = `
TARGET is PROJECT/BRANCH, a branch id, or a full branch or endpoint name. Without it --project and
--branch count, then what lakelet dev made for this worktree, and where there is only one, that one is taken.

Examples:
  lakelet psql app/dev
  lakelet psql app/dev -- -c 'select version()'`

interface PsqlFlags {
  readonly project?: string
  readonly branch?: string
  readonly database: string
  readonly port?: string
}

export const fillPsql: FillCommand = (command, context) => {
  const { io } = context
  command
    .argument('[TARGET]', 'which branch')
    .argument('[PSQL_ARGS...]', 'after --: arguments of psql itself')
    .option('--project <id>', 'id of the project')
    .option('--branch <id>', 'id of the branch')
    .option('-d, --database <name>', 'database', 'databricks_postgres')
    .option('--port <port>', "port for Postgres clients; default: the server's own, else 5432")
    .addHelpText('after', details)
    .action(async (_target: unknown, _psqlArgs: unknown, flags: PsqlFlags) => {
      // The parser takes the words after `--` for arguments like the others.
      const { afterDashes: psqlArgs } = context
      const own = command.args.slice(0, command.args.length - psqlArgs.length)
      if (own.length > 1) {
        throw new Refusal(`unexpected argument ${own[1]}`, "psql's own arguments go after --.")
      }
      const psql = await findPsql(io)
      const options = sharedOptions(command)
      const connection = await connect(options, io)
      const client = clientFor(connection, options, io)
      const { project, branch, database } = flags
      const target = readTarget(own[0], {
        ...(project === undefined ? {} : { project }),
        ...(branch === undefined ? {} : { branch }),
      })
      const here = isOpen(target) ? await branchOfWorktree(io) : undefined
      const endpoint = await findEndpoint(
        client,
        here === undefined ? target : readTarget(here, {}),
      )
      const host = hostOf(endpoint.name, endpoint.status, io)
      const [{ userName }, credential] = await Promise.all([
        client.me(),
        client.generateDatabaseCredential({ endpoint: endpoint.name }),
      ])
      const port = flags.port ?? connection.local?.pgPort ?? (io.env.PGPORT || 5432)
      const hasPort = psqlArgs.some((arg) => /^(-p.*|--port(=.*)?)$/.test(arg))
      const args = [
        ...['--host', host, '--username', userName, '--dbname', database],
        ...(hasPort ? [] : ['--port', String(port)]),
        ...psqlArgs,
      ]
      const mode = io.env.PGSSLMODE ?? ''
      context.setExitCode(
        await become(psql, args, {
          ...io.env,
          PGPASSWORD: credential.token,
          // What verifies more than we ask for stays.
          PGSSLMODE: /^verify-(ca|full)$/.test(mode) ? mode : 'require',
        }),
      )
    })
}

const isOpen = ({ project, branch, endpoint }: Target): boolean =>
  project === undefined && branch === undefined && endpoint === undefined

/** What lakelet dev made for the worktree that we are in; `undefined`: none is, or this is no worktree. */
async function branchOfWorktree(io: CliIo): Promise<string | undefined> {
  const { placeIfAny } = await import('./worktree-branch.ts')
  const { readOwnBlock } = await import('../worktree/env-file.ts')
  const place = await placeIfAny(io)
  return place && (await readOwnBlock(place.worktree, place.file))?.branch
}

async function findPsql({ env }: CliIo): Promise<string> {
  const path = await findProgram('psql', env.PATH ?? '')
  if (path !== undefined) return path
  throw new Refusal(
    'psql is not installed: it is not on your PATH',
    'Install it (Debian: apt install postgresql-client; macOS: brew install libpq), or use any Postgres client with a password from: lakelet postgres generate-database-credential',
  )
}
