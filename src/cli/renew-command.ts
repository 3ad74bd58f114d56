/** `lakelet branch renew`: moves the end of a branch away from now. */
import type { Branch } from '../client/resources.ts'
import { hours } from '../lib/time.ts'
import { clientOf, type FillCommand } from './command-context.ts'
import { awaitOperation, type WaitFlags, withWaitFlags } from './operation-output.ts'
import { findBranch, readTarget } from './psql-target.ts'
import { ownRenewal, readLife, renew } from './renew-branch.ts'
import { printable, printJson } from './terminal.ts'
import { findPlace } from './worktree-branch.ts'

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
    const asked = flags.ttl === undefined ? undefined : { text: flags.ttl, field: '--ttl' }
    const client = await clientOf(command, context)
    const renewal =
      text === undefined
        ? await ownRenewal(client, await findPlace(io), (await client.me()).userName, asked)
        : {
            name: await findBranch(client, readTarget(text, {})),
            life: asked === undefined ? hours(6) : readLife(asked),
          }
    const operation = await renew(client, renewal)
    if (flags.wait === false) return printJson(operation, io)
    const branch = (await awaitOperation(client, operation, flags, 'Renewing', io)) as Branch
    if (command.optsWithGlobals().output === 'json') return printJson(branch, io)
    const id = branch.name.slice(branch.name.lastIndexOf('/') + 1)
    io.stdout.write(`${printable(id)} ends ${branch.status?.expire_time ?? 'never'}\n`)
  })
}
