/**
 * The flags of `lakelet up`, made from the table of settings. The command itself is run by `main`, which
 * reads its flags with `readUpFlags`; what is here for `runCli` is the help.
 */
import { Command } from 'commander'
import { settingsTable } from '../lib/settings-table.ts'
import type { FillCommand } from './command-context.ts'

const details = `
Each flag may also be given in the environment (--api-port is LAKELET_API_PORT) or in the settings
file (api-port = 7431): --config, LAKELET_CONFIG, or lakelet.toml in the state directory. A flag wins
over the environment, and that over the file.`

export const fillUp: FillCommand = (command) => {
  declareUpFlags(command)
  command.addHelpText('after', details).action(() => {
    throw new Error('"up" must be the first argument: lakelet up [options]')
  })
}

/**
 * Flags given after `up`, by setting name, with `config` for the settings file: what `readSettings`
 * takes. Throws commander's error for what is not a flag of `up`; its text is already on stderr.
 */
export function readUpFlags(argv: readonly string[]): Readonly<Record<string, string | undefined>> {
  const command = new Command('lakelet up')
    .exitOverride()
    .helpOption(false)
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error:/, 'Error:')),
    })
  declareUpFlags(command)
  command.option('--config <file>').option('--state-dir <dir>')
  command.parse([...argv], { from: 'user' })
  const values = command.opts<Record<string, string | undefined>>()
  return Object.fromEntries(
    [...Object.values(settingsTable).map(({ name }) => name), 'config'].flatMap((name) => {
      const value = values[name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

/** `--state-dir` and `--config` are options of every command, so the root declares those. */
function declareUpFlags(command: Command): void {
  for (const { name, value, say, otherwise } of Object.values(settingsTable)) {
    if (name === 'state-dir') continue
    command.option(`--${name} <${value}>`, `${say} Default: ${otherwise}.`)
  }
}
