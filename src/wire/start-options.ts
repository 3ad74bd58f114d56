/**
 * `options` of a startup packet: command-line arguments for the session, split at spaces with
 * backslash as escape, as Postgres does. One of them may be ours, `endpoint=<uid>`, for clients that
 * cannot send a TLS server name; it is taken out, the others travel on as they were written.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
 */
import { ProtocolViolation } from './protocol-violation.ts'

export interface StartOptions {
  /** Value of `endpoint=`. */
  readonly endpoint: string | undefined
  /** What is left for Postgres. */
  readonly options: string | undefined
}

/** An argument: anything but white space, which a backslash makes ordinary. */
const ARGUMENT = /(?:\\[\s\S]|[^\s\\])+\\?|\\$/g

export function parseStartOptions(text: string | undefined): StartOptions {
  if (text === undefined) return { endpoint: undefined, options: undefined }
  const kept: string[] = []
  let endpoint: string | undefined
  for (const [argument] of text.matchAll(ARGUMENT)) {
    // After `-c` it is the name of a setting: Postgres's to judge.
    const isSetting = kept.at(-1) === '-c'
    if (isSetting || !argument.startsWith('endpoint=')) {
      kept.push(argument)
      continue
    }
    const value = argument.slice('endpoint='.length).replace(/\\([\s\S])/g, '$1')
    if (endpoint !== undefined && endpoint !== value) {
      throw new ProtocolViolation('two different endpoint options')
    }
    endpoint = value
  }
  return { endpoint, options: kept.length === 0 ? undefined : kept.join(' ') }
}
