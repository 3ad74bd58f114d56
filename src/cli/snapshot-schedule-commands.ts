/** `get-snapshot-schedule` and `update-snapshot-schedule`: one schedule a branch, changed in place and at once. */
import type { Command } from 'commander'
import type { Operation, SnapshotSchedule } from '../client/resources.ts'
import { requestBody } from './body-flags.ts'
import { type CommandContext, clientOf } from './command-context.ts'
import { finishOperation, type WaitFlags, withWaitFlags } from './operation-output.ts'
import { checkName } from './resource-name.ts'
import { printJson } from './terminal.ts'

const form = 'projects/PROJECT/branches/BRANCH/snapshot-schedule'

interface UpdateFlags extends WaitFlags {
  readonly json?: string
}

/** An earlier contract answered with the schedule itself, which has no `done`. */
const isOperation = (answer: Operation | SnapshotSchedule): answer is Operation =>
  typeof answer.done === 'boolean'

export function fillSnapshotSchedule(group: Command, context: CommandContext): void {
  const get = group
    .command('get-snapshot-schedule')
    .description('Show when automatic snapshots of a branch are taken.')
    .argument('<NAME>', form)
  get.action(async (name: string) => {
    checkName('NAME', name, form)
    printJson(await (await clientOf(get, context)).getSnapshotSchedule(name), context.io)
  })

  const update = group
    .command('update-snapshot-schedule')
    .description('Set when automatic snapshots of a branch are taken.')
    .argument('<NAME>', form)
    .argument('<UPDATE_MASK>', 'what to change: schedule')
    .option('--json <body>', 'the schedule: JSON, @FILE or @- for stdin')
    .addHelpText(
      'after',
      `
Examples:
  lakelet postgres update-snapshot-schedule projects/app/branches/production/snapshot-schedule schedule \\
    --json '{"schedule": [{"retention": "604800s", "daily_schedule": {"hour": 3}}]}'
  lakelet postgres update-snapshot-schedule projects/app/branches/production/snapshot-schedule schedule \\
    --json '{"schedule": []}'`,
    )
  withWaitFlags(update).action(async (name: string, mask: string, flags: UpdateFlags) => {
    checkName('NAME', name, form)
    const body = await requestBody(flags, undefined, context.io)
    const client = await clientOf(update, context)
    const answer = await client.updateSnapshotSchedule(name, mask, body)
    if (!isOperation(answer)) return printJson(answer, context.io)
    await finishOperation(client, answer, flags, { say: `Updating ${name}` }, context.io)
  })
}
