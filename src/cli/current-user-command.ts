/** `lakelet current-user me`. */
import { clientOf, type FillCommand } from './command-context.ts'
import { printJson } from './terminal.ts'

export const fillCurrentUser: FillCommand = (group, context) => {
  const me = group
    .command('me')
    .description('Show the user or service principal that the access token belongs to.')
  me.action(async () => printJson(await (await clientOf(me, context)).me(), context.io))
}
