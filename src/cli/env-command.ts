/**
 * `lakelet env`: the variables that Databricks tools, Postgres clients and Node programs read, so that
 * `eval "$(lakelet env)"` points a whole shell at the server of this machine, or of a profile that is asked for.
 */
import { Option } from 'commander'
import { type FillCommand, sharedOptions } from './command-context.ts'
import { connect, settingFlags } from './connection.ts'
import { findStateDir, localUrl, neededServer } from './local-server.ts'
import { exportLine, type Shell, shells } from './shell-quote.ts'
import { printJson } from './terminal.ts'

const details = `
Use it with:
  eval "$(lakelet env)"                                      sh, bash, zsh
  lakelet env --shell fish | source                          fish
  lakelet env --shell powershell | Out-String | iex          PowerShell

The output holds an access token: do not write it to a log.`

export const fillEnv: FillCommand = (command, { io }) => {
  command
    .addOption(new Option('--shell <shell>', 'syntax').choices([...shells]).default('sh'))
    .addHelpText('after', details)
    .action(async ({ shell }: { readonly shell: Shell }) => {
      const options = sharedOptions(command)
      const show = (variables: Readonly<Record<string, string>>) => {
        if (options.output === 'json') return printJson(variables, io)
        for (const [name, value] of Object.entries(variables)) {
          io.stdout.write(`${exportLine(shell, name, value)}\n`)
        }
      }
      const isProfile =
        options.profile !== undefined ||
        (!io.env.DATABRICKS_HOST && Boolean(io.env.DATABRICKS_CONFIG_PROFILE))
      if (isProfile) {
        const { host, token } = await connect(options, io)
        return show({ DATABRICKS_HOST: host, DATABRICKS_TOKEN: (await token()).reveal() })
      }
      const stateDir = await findStateDir(settingFlags(options), io)
      const { server, owner } = await neededServer(stateDir)
      show({
        DATABRICKS_HOST: localUrl(server),
        DATABRICKS_TOKEN: owner.reveal(),
        PGSSLROOTCERT: server.caFile,
        NODE_EXTRA_CA_CERTS: server.nodeCaFile,
        ...(server.pgPort === 5432 ? {} : { PGPORT: String(server.pgPort) }),
      })
    })
}
