/** `lakelet branch upgrade`: a new branch of a later major, beside the one that it is made of. */
import { expirationField } from './body-flags.ts'
import { clientOf, type FillCommand } from './command-context.ts'
import { finishOperation, type WaitFlags, withWaitFlags } from './operation-output.ts'
import { branchArgument, findBranch, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'

interface UpgradeFlags extends WaitFlags {
  readonly to: string
  readonly as?: string
  readonly ttl?: string
  /** False when `--no-expiry` was given. */
  readonly expiry?: boolean
}

export const fillUpgrade: FillCommand = (command, context) => {
  command
    .argument(...branchArgument)
    .requiredOption('--to <major>', 'Postgres major of the new branch')
    .option('--as <id>', 'id of the new branch; default: BRANCH-MAJOR')
    .option('--ttl <time>', 'how long the new branch lives: 604800s, 168h, 7d, 3w')
    .option('--no-expiry', 'it lives until it is deleted')
    .addHelpText(
      'after',
      `
The branch stays as it is. Try the new one, then make it the default branch.

Example:
  lakelet branch upgrade app/production --to 18 --no-expiry`,
    )
  withWaitFlags(command).action(async (text: string, flags: UpgradeFlags) => {
    if (!/^\d{2}$/.test(flags.to)) throw new Refusal(`--to: ${flags.to} is no Postgres major`)
    const target = readTarget(text, {})
    const end = expirationField(flags)?.spec ?? {} // the server has a default, or says what is missing
    const client = await clientOf(command, context)
    const branch = await findBranch(client, target)
    const id = flags.as ?? `${branch.slice(branch.lastIndexOf('/') + 1)}-${flags.to}`
    const verb = `upgrade?branch_id=${encodeURIComponent(id)}`
    const body = { spec: { pg_version: Number(flags.to), ...end } }
    const operation = await client.act(branch, verb, body)
    await finishOperation(client, operation, flags, { say: `Upgrading to ${id}` }, context.io)
  })
}
