/** `lakelet api METHOD PATH`: any method of the API, for what has no command of its own. */
import type { Method } from '../client/transport.ts'
import { clientOf, type FillCommand } from './command-context.ts'
import { readJsonArgument } from './json-argument.ts'
import { Refusal } from './refusal.ts'
import { printJson } from './terminal.ts'

const methods: readonly Method[] = ['GET', 'POST', 'PATCH', 'PUT', 'DELETE', 'HEAD']

export const fillApi: FillCommand = (group, context) => {
  const { io } = context
  for (const method of methods) {
    const verb = method.toLowerCase()
    const command = group
      .command(verb)
      .description(`Send a ${method} request.`)
      .argument('<PATH>', 'path with its query, such as /api/2.0/postgres/projects')
    const takesBody = method !== 'GET' && method !== 'HEAD'
    if (takesBody) command.option('--json <body>', 'request body: JSON, @FILE or @- for stdin')
    command.action(async (path: string, options: { readonly json?: string }) => {
      if (!path.startsWith('/')) throw new Refusal(`PATH must begin with a slash: ${path}`)
      const body = options.json === undefined ? undefined : await readJsonArgument(options.json, io)
      const client = await clientOf(command, context)
      const reply = await client.send({ method, path, ...(body === undefined ? {} : { body }) })
      if (reply.json !== undefined) printJson(reply.json, io)
      else if (reply.text !== '') io.stdout.write(`${reply.text.trimEnd()}\n`)
    })
  }
}
