/** `lakelet branch renew`: moves the end of a branch away from now. */
import type { Branch } from '../client/resources.ts'
import { humanDurationForms, parseHumanDuration } from '../lib/human-duration.ts'
import { after, hours, type Millis, rfc3339, systemClock } from '../lib/time.ts'
import { labelOf } from '../worktree/git-worktree.ts'
import { lifeOf, type ProjectFile } from '../worktree/project-file.ts'
import { clientOf, type FillCommand } from './command-context.ts'
import { withAdvice } from './narrower-contract.ts'
import { awaitOperation, type WaitFlags, withWaitFlags } from './operation-output.ts'
import { findBranch, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { printable, printJson } from './terminal.ts'
import { findOwnBranch, findPlace } from './worktree-branch.ts'

interface RenewFlags extends WaitFlags {
  readonly ttl?: string
}

export const fillRenew: FillCommand = (command, context) => {
  const { io } = context
  command
    .argument('[BRANCH]', "PROJECT/BRANCH or an id; default: this worktree's")
    .option('--ttl <time>', 'from now on: 6h, 7d, …; default: what lakelet.toml says, else 6h')
    .addHelpText(
      'after',
      '\nExamples:\n  lakelet branch renew\n  lakelet branch renew store/demo --ttl 7d',
    )
  withWaitFlags(command).action(async (text: string | undefined, flags: RenewFlags) => {
    const asked = flags.ttl === undefined ? undefined : lengthOf(flags.ttl)
    const client = await clientOf(command, context)
    const { name, usual, file } =
      text === undefined
        ? await ofWorktree(context, client)
        : { name: await findBranch(client, readTarget(text, {})), usual: hours(6), file: undefined }
    // A ttl would count from the creation of the branch.
    const end = after(systemClock.now(), asked ?? usual)
    const operation = await client.branches
      .update(name, 'spec.expire_time', { spec: { expire_time: rfc3339(end) } })
      .catch((error: unknown) => {
        throw withAdvice(error, { path: file?.path })
      })
    if (flags.wait === false) return printJson(operation, io)
    const branch = (await awaitOperation(client, operation, flags, 'Renewing', io)) as Branch
    if (command.optsWithGlobals().output === 'json') return printJson(branch, io)
    const id = name.slice(name.lastIndexOf('/') + 1)
    io.stdout.write(`${printable(id)} ends ${branch.status?.expire_time ?? 'never'}\n`)
  })
}

function lengthOf(ttl: string): Millis {
  const length = parseHumanDuration(ttl)
  if (length !== undefined && length > 0) return length
  throw new Refusal(`--ttl: ${JSON.stringify(ttl)} is not ${humanDurationForms}`)
}

async function ofWorktree(
  { io }: Parameters<FillCommand>[1],
  client: Awaited<ReturnType<typeof clientOf>>,
): Promise<{ readonly name: string; readonly usual: Millis; readonly file: ProjectFile }> {
  const { worktree, file } = await findPlace(io)
  const { userName } = await client.me()
  const { name } = await findOwnBranch(client, worktree, file, userName)
  const usual = lifeOf(file, labelOf(worktree).text)
  if (usual !== undefined) return { name, usual, file }
  throw new Refusal(
    'lakelet.toml lets branches of this git branch live for ever, so there is nothing to renew',
    'Give it an end all the same: --ttl 7d',
  )
}
