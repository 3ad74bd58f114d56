/**
 * `lakelet backup`: copies of a branch away from this machine. The server reads and writes them; a relative
 * directory is one of where the command runs.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { apiRoot, asOperation, pathOf } from '../client/resource-collection.ts'
import type { Operation } from '../client/resources.ts'
import { type CommandContext, clientOf, type FillCommand } from './command-context.ts'
import { awaitOperation, type WaitFlags, withWaitFlags } from './operation-output.ts'
import { readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { printJson } from './terminal.ts'

interface PlaceFlags {
  readonly endpointUrl?: string
}

const details = `
PLACE is a directory on the machine of the server, or s3://BUCKET/PREFIX with the credentials of the
server's environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION). It holds the backups of one branch.

Examples:
  lakelet backup app/production --to /mnt/backups/app
  lakelet backup app/production --to s3://backups/app --endpoint-url https://s3.example.com
  lakelet backup list /mnt/backups/app
  lakelet backup restore /mnt/backups/app --at 2030-01-31T12:00:00Z --into app/again`

export const fillBackup: FillCommand = (command, context) => {
  withPlace(command)
    .argument('<BRANCH>', 'PROJECT/BRANCH, or a full branch name')
    .option('--to <place>', 'where to: a directory, or s3://BUCKET/PREFIX')
    .option('--full', 'a full copy, also where an increment would do')
    .addHelpText('after', details)
  withWaitFlags(command).action(
    async (
      target: string,
      flags: PlaceFlags & WaitFlags & { readonly to?: string; readonly full?: boolean },
    ) => {
      if (flags.to === undefined) throw new Refusal('--to is missing', 'Say where to: --to PLACE.')
      const name = branchNamed(target)
      const body = { ...placeFields('to', flags.to, flags), ...(flags.full ? { full: true } : {}) }
      await write(command, context, `${pathOf(name)}/backups`, body, flags, `Backing up ${name}`)
    },
  )
  addList(command, context)
  addVerify(command, context)
  addRestore(command, context)
}

function addList(group: Command, context: CommandContext): void {
  const command = withPlace(group.command('list'))
    .description('Show the backups at a place, and which points can be restored.')
    .argument('<PLACE>', 'a directory, or s3://BUCKET/PREFIX')
  command.action(async (from: string, flags: PlaceFlags) => {
    const client = await clientOf(command, context)
    const query = placeFields('from', from, flags)
    const { json } = await client.send({ method: 'GET', path: `${apiRoot}/backups`, query })
    printJson(json, context.io)
  })
}

function addVerify(group: Command, context: CommandContext): void {
  const command = withPlace(group.command('verify'))
    .description(
      'Read the backups at a place, all of them, and say what is wrong; then exit with 1.',
    )
    .argument('<PLACE>', 'a directory, or s3://BUCKET/PREFIX')
  withWaitFlags(command).action(async (from: string, flags: PlaceFlags & WaitFlags) => {
    const body = placeFields('from', from, flags)
    const path = `${apiRoot}/backups/verify`
    const response = await write(command, context, path, body, flags, `Reading ${from}`)
    if (isDamaged(response)) context.setExitCode(1)
  })
}

const isDamaged = (response: unknown): boolean =>
  typeof response === 'object' &&
  response !== null &&
  'is_whole' in response &&
  response.is_whole === false

function addRestore(group: Command, context: CommandContext): void {
  const command = withPlace(group.command('restore'))
    .description('Make a branch of a backup, and its project where that is not there.')
    .argument('<PLACE>', 'a directory, or s3://BUCKET/PREFIX')
    .option('--at <point>', 'a time such as 2030-01-31T12:00:00Z, or an LSN; default: the last')
    .option('--into <branch>', 'PROJECT/BRANCH of the new branch; default: as it was')
  withWaitFlags(command).action(
    async (
      from: string,
      flags: PlaceFlags & WaitFlags & { readonly at?: string; readonly into?: string },
    ) => {
      const { at, into } = flags
      const body = {
        ...placeFields('from', from, flags),
        ...(at === undefined ? {} : at.includes('/') ? { at_lsn: at } : { at_time: at }),
        ...(into === undefined ? {} : { into: branchNamed(into) }),
      }
      await write(command, context, `${apiRoot}/backups/restore`, body, flags, `Restoring ${from}`)
    },
  )
}

const withPlace = (command: Command): Command =>
  command.option('--endpoint-url <url>', 'of a store that speaks S3 and is not AWS')

const placeFields = (
  field: 'to' | 'from',
  place: string,
  { endpointUrl }: PlaceFlags,
): Readonly<Record<string, string>> => ({
  [field]: /^[a-z0-9+.-]+:\/\//i.test(place) ? place : resolve(place),
  ...(endpointUrl === undefined ? {} : { endpoint_url: endpointUrl }),
})

function branchNamed(text: string): string {
  const { project, branch, endpoint } = readTarget(text, {})
  if (project === undefined || branch === undefined || endpoint !== undefined) {
    throw new Refusal(
      `${JSON.stringify(text)} names no branch`,
      'Give PROJECT/BRANCH, or projects/PROJECT/branches/BRANCH.',
    )
  }
  return `projects/${project}/branches/${branch}`
}

/** The response, or the operation when nobody waits for it. */
async function write(
  command: Command,
  context: CommandContext,
  path: string,
  body: Readonly<Record<string, unknown>>,
  flags: WaitFlags,
  say: string,
): Promise<unknown> {
  const client = await clientOf(command, context)
  const operation: Operation = asOperation((await client.send({ method: 'POST', path, body })).json)
  const response =
    flags.wait === false
      ? operation
      : await awaitOperation(client, operation, flags, say, context.io)
  printJson(response, context.io)
  return response
}
