/** `lakelet branch renew`: moves the end of a branch away from now. */
import type { Branch } from '../client/resources.ts'
import { labelOf } from '../worktree/git-worktree.ts'
import { expiryFor } from '../worktree/project-file.ts'
import { wireDuration } from './body-flags.ts'
import { clientOf, type FillCommand } from './command-context.ts'
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
    const asked = flags.ttl === undefined ? undefined : wireDuration('--ttl', flags.ttl)
    const client = await clientOf(command, context)
    const { name, usual } =
      text === undefined
        ? await ofWorktree(context, client)
        : { name: await findBranch(client, readTarget(text, {})), usual: '21600s' }
    const operation = await client.branches.update(name, 'spec.ttl', {
      spec: { ttl: asked ?? usual },
    })
    if (flags.wait === false) return printJson(operation, io)
    const branch = (await awaitOperation(client, operation, flags, 'Renewing', io)) as Branch
    if (command.optsWithGlobals().output === 'json') return printJson(branch, io)
    const id = name.slice(name.lastIndexOf('/') + 1)
    io.stdout.write(`${printable(id)} ends ${branch.status?.expire_time ?? 'never'}\n`)
  })
}

async function ofWorktree(
  { io }: Parameters<FillCommand>[1],
  client: Awaited<ReturnType<typeof clientOf>>,
): Promise<{ readonly name: string; readonly usual: string }> {
  const { worktree, file } = await findPlace(io)
  const { userName } = await client.me()
  const { name } = await findOwnBranch(client, worktree, file, userName)
  const rule = expiryFor(file, labelOf(worktree).text)
  if ('ttl' in rule) return { name, usual: rule.ttl }
  throw new Refusal(
    'lakelet.toml lets branches of this git branch live for ever, so there is nothing to renew',
    'Give it an end all the same: --ttl 7d',
  )
}
