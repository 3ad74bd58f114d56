/** `lakelet setup-link [USER]`: for a user's first password, or for one that was forgotten. */
import { clientOf, type FillCommand, sharedOptions } from './command-context.ts'
import { printJson } from './terminal.ts'

export const fillSetupLink: FillCommand = (command, context) => {
  const { io } = context
  command
    .argument('[USER]', 'login name of the user; default: your own')
    .addHelpText(
      'after',
      `
For administrators. The link works once, within a day, and makes earlier ones of that user void.
Whoever opens it first sets the password: hand it over as you would a password.`,
    )
    .action(async (user: string | undefined) => {
      const client = await clientOf(command, context)
      const { json } = await client.send({
        method: 'POST',
        path: '/api/lakelet/v1/setup-links',
        body: user === undefined ? {} : { user_name: user },
      })
      if (sharedOptions(command).output === 'json') return printJson(json, io)
      const link = json as { user_name?: string; url?: string; expire_time?: string }
      io.stderr.write(`For ${link.user_name}, once, until ${link.expire_time}:\n`)
      io.stdout.write(`${link.url}\n`)
    })
}
