/** `lakelet version`. The first line begins so that scripts which compare versions read ours. */
import { version } from '../lib/version.ts'
import { type FillCommand, sharedOptions } from './command-context.ts'
import { printJson } from './terminal.ts'

export const fillVersion: FillCommand = (command, { io }) => {
  command.action(() => {
    if (sharedOptions(command).output === 'json') {
      const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number)
      printJson(
        { ProjectName: 'lakelet', Version: version, Major: major, Minor: minor, Patch: patch },
        io,
      )
    } else {
      io.stdout.write(`Lakelet v${version}\n`)
    }
  })
}
