/** `lakelet branch VERB`: what can be done with a branch beside the verbs of the API's own grammar. */
import type { FillCommand } from './command-context.ts'
import { fillUpgrade } from './upgrade-command.ts'
import { fillVerify } from './verify-command.ts'

export const fillBranch: FillCommand = (group, context) => {
  fillVerify(
    group.command('verify').description('Check whether the data of a branch is sound.'),
    context,
  )
  fillUpgrade(
    group
      .command('upgrade')
      .description('Make a branch of a later Postgres major with the data of a branch.'),
    context,
  )
}
