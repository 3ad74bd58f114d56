/**
 * `lakelet run` and `lakelet url`: the database of this worktree for one program, with a credential of this moment; while
 * the program runs, the next ones go into a password file.
 */
import { millis, minutes, systemClock, timer } from '../lib/time.ts'
import { makePasswordFile } from '../worktree/password-file.ts'
import type { EnvField } from '../worktree/project-file.ts'
import { become } from './become.ts'
import { bindBranch } from './bind-branch.ts'
import type { CommandContext, FillCommand } from './command-context.ts'
import { watchEnd } from './end-notice.ts'
import { Refusal } from './refusal.ts'
import { coloursFor } from './terminal.ts'
import { accessTo, findOwnBranch, findPlace, reach, variablesOf } from './worktree-branch.ts'

type Access = Readonly<Record<EnvField, string>>

/** Before a credential ends, and again after a failure. */
const renewBefore = minutes(15)
const tryAgainAfter = minutes(1)

const details = `
CMD gets the variables that lakelet dev writes (PGHOST, PGUSER, DATABASE_URL, … or the names of lakelet.toml),
with a credential of its own, and PGPASSFILE: a password file that is kept fresh while CMD runs.
A credential lives for an hour. With --password-file no variable holds the password, so that libpq, node-postgres
and all others that know PGPASSFILE go on opening connections after it.

Examples:
  lakelet run -- npm run dev
  lakelet run --password-file -- uvicorn store.main:app`

export const fillRun: FillCommand = (command, context) => {
  command
    .argument('[CMD...]', 'after --: the program and its arguments')
    .option('--password-file', 'give the password by the file alone')
    .addHelpText('after', details)
    .action(async (_words: unknown, flags: { readonly passwordFile?: boolean }) => {
      const [program, ...args] = context.afterDashes
      if (program === undefined) {
        throw new Refusal('there is nothing to run', 'Name it after --: lakelet run -- npm run dev')
      }
      const { file, look, bind, watch } = await opened(command, context)
      const [first] = await Promise.all([look(), bind(process.pid)])
      const passwords = await makePasswordFile()
      const renewal = renewing(first, look, passwords.write, context)
      const end = watch()
      try {
        await passwords.write(first)
        const access = flags.passwordFile === true ? withoutPassword(first) : first
        const { PGPASSWORD: _inherited, ...inherited } = context.io.env
        const env = { ...inherited, ...variablesOf(file, access), PGPASSFILE: passwords.path }
        context.setExitCode(await become(program, args, env))
      } catch (error) {
        const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT'
        throw isAbsent ? new Refusal(`there is no program ${program} on your PATH`) : error
      } finally {
        renewal.stop()
        end.stop()
        await passwords.remove()
      }
    })
}

export const fillUrl: FillCommand = (command, context) => {
  command
    .addHelpText(
      'after',
      '\nIt holds a password that is good for an hour: do not write it to a log.',
    )
    .action(async () => {
      const { look } = await opened(command, context)
      context.io.stdout.write(`${(await look()).url}\n`)
    })
}

async function opened(command: Parameters<FillCommand>[0], context: CommandContext) {
  const { worktree, file } = await findPlace(context.io)
  const { client, connection } = await reach(command, context)
  const { userName: login } = await client.me()
  const branch = await findOwnBranch(client, worktree, file, login)
  const look = () => accessTo(client, connection, branch, file, login, context.io)
  const bind = (pid: number) =>
    bindBranch(client, worktree, { branch: branch.name, isOwn: false, pid }, context.io)
  const watch = () => watchEnd(client, branch, context.io)
  return { file, look, bind, watch }
}

/** What fails is told once for each time and tried again: the program may never open another connection. */
function renewing(
  first: Access,
  look: () => Promise<Access>,
  write: (access: Access) => Promise<void>,
  { io }: CommandContext,
): { stop(): void } {
  let next: { cancel(): void } | undefined
  const wait = (expireTime: string) => {
    const left = new Date(expireTime).getTime() - systemClock.now() - renewBefore
    next = timer(
      millis(Number.isFinite(left) ? Math.max(tryAgainAfter, left) : tryAgainAfter),
      renew,
    )
  }
  const renew = () => {
    look()
      .then(async (access) => {
        await write(access)
        wait(access.credential_expire_time)
      })
      .catch((error: unknown) => {
        const says = error instanceof Error ? error.message : String(error)
        const { yellow } = coloursFor(io.stderr, io)
        io.stderr.write(`${yellow('lakelet run:')} cannot renew the credential yet: ${says}\n`)
        next = timer(tryAgainAfter, renew)
      })
  }
  wait(first.credential_expire_time)
  return { stop: () => next?.cancel() }
}

function withoutPassword(access: Access): Access {
  const url = new URL(access.url)
  url.password = ''
  return { ...access, password: '', url: url.href }
}
