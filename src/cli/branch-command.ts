/** `lakelet branch VERB`: what can be done with a branch beside the verbs of the API's own grammar. */
import type { FillCommand } from './command-context.ts'
import { fillUse } from './dev-command.ts'
import { fillPromote } from './promote-command.ts'
import { fillRenew } from './renew-command.ts'
import { fillReset, fillRestore } from './reset-command.ts'
import { fillUpgrade } from './upgrade-command.ts'
import { fillVerify } from './verify-command.ts'

export const fillBranch: FillCommand = (group, context) => {
  fillUse(group.command('use').description('Use a branch in this git worktree.'), context)
  fillRenew(group.command('renew').description('Let a branch live longer.'), context)
  fillPromote(
    group
      .command('promote')
      .description('Give another branch the migrations that a branch has had, after a rehearsal.'),
    context,
  )
  fillReset(
    group.command('reset').description('Give a branch what its source branch holds now.'),
    context,
  )
  fillRestore(
    group.command('restore').description('Give a branch what it held before, in place.'),
    context,
  )
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
