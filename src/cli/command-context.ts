/** What every command gets beside its own arguments: the process, and the options that all share. */
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { CliIo } from './terminal.ts'

export interface SharedOptions {
  readonly profile?: string
  readonly output: 'json' | 'text'
  readonly debug?: boolean
  readonly stateDir?: string
  readonly config?: string
}

export interface CommandContext {
  readonly io: CliIo
  /** Everything behind the first `--` of the line: not ours to read. */
  readonly afterDashes: readonly string[]
  /** For a command that ends badly without an error of its own to throw. */
  setExitCode(code: number): void
}

/** Gives a command, named and described by the root, its arguments, options and action. */
export type FillCommand = (command: Command, context: CommandContext) => void

/** The shared options, wherever on the line they stood. */
export const sharedOptions = (command: Command): SharedOptions =>
  command.optsWithGlobals<SharedOptions>()

export async function clientOf(command: Command, { io }: CommandContext): Promise<LakeletClient> {
  // Loaded late: help and version need no server, and shall not wait for the code that finds one.
  const { clientFor, connect } = await import('./connection.ts')
  const options = sharedOptions(command)
  return clientFor(await connect(options, io), options, io)
}
