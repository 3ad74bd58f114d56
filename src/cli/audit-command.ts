/** `lakelet audit`: who did what, when, from where and with what result; `verify` checks the chain. */
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import { parseHumanDuration } from '../lib/human-duration.ts'
import { before, millis, rfc3339, systemClock } from '../lib/time.ts'
import {
  type CommandContext,
  clientOf,
  type FillCommand,
  type SharedOptions,
  sharedOptions,
} from './command-context.ts'
import { Refusal } from './refusal.ts'
import { type CliIo, type Colours, coloursFor, printable, printJson } from './terminal.ts'

const path = '/api/lakelet/v1/audit'
const usualLimit = 100
const largestPage = 1000
const followEvery = millis(1000)

interface AuditOptions extends SharedOptions {
  readonly since?: string
  readonly who?: string
  readonly action?: string
  readonly resource?: string
  readonly result?: string
  readonly limit?: string
  readonly follow?: boolean
}

interface Entry {
  readonly seq: number
  readonly time: string
  readonly action: string
  readonly resource: string
  readonly result: string
  readonly reason?: string
  readonly actor: { readonly kind: string; readonly name?: string; readonly agent?: string }
  readonly changed_fields: readonly string[]
  readonly count: number
}

export const fillAudit: FillCommand = (command, context) => {
  command
    .option('--since <time>', 'only what happened since: 1h, 7d, or a time in RFC 3339')
    .option('--who <name>', 'only what this login name, identity or coding agent did')
    .option('--action <action>', 'only this action, such as create-branch')
    .option('--resource <name>', 'only this resource and what is below it')
    .option('--result <result>', 'only accepted, succeeded, failed or refused')
    .option(
      '--limit <count>',
      `at most so many, the newest; default ${usualLimit}, with --since all`,
    )
    .option('--follow', 'go on with what happens from now on')
    .action(async () => {
      const options = command.optsWithGlobals<AuditOptions>()
      const client = await clientOf(command, context)
      await show(client, options, context.io)
    })
  fillVerify(command, context)
}

function fillVerify(group: Command, context: CommandContext): void {
  const verify = group
    .command('verify')
    .description(
      'Check that no entry was changed or removed: each holds a hash of the one before it.',
    )
    .option('--kept <seq:hash>', 'the last entry of an earlier check, which must still be there')
  verify.action(async (given: { readonly kept?: string }) => {
    const client = await clientOf(verify, context)
    const kept = given.kept === undefined ? undefined : readKept(given.kept)
    const query = kept === undefined ? {} : { kept: `${kept.seq}:${kept.hash}` }
    const { json } = await client.send({ method: 'GET', path: `${path}/verify`, query })
    const found = json as Verification
    if (!found.verified) context.setExitCode(1)
    if (sharedOptions(verify).output === 'json') return printJson(found, context.io)
    context.io.stdout.write(`${say(found)}\n`)
  })
}

interface Verification {
  readonly verified: boolean
  readonly entries: number
  readonly first_seq?: number
  readonly last_seq?: number
  readonly last_hash?: string
  readonly broken?: { readonly seq: number; readonly problem: string }
}

function say({ verified, entries, first_seq, last_seq, last_hash, broken }: Verification): string {
  if (!verified) {
    return `The audit log was tampered with. Entry ${broken?.seq}: ${printable(broken?.problem ?? '')}.`
  }
  if (entries === 0) return 'The audit log is empty.'
  return [
    `${entries} entries, ${first_seq} to ${last_seq}: each follows from the one before it.`,
    `Keep this elsewhere to check the end as well: --kept ${last_seq}:${last_hash}`,
  ].join('\n')
}

function readKept(text: string): { readonly seq: string; readonly hash: string } {
  const [, seq = '', hash = ''] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (hash === '') throw new Refusal(`--kept must be SEQ:HASH as verify prints it, not ${text}`)
  return { seq, hash }
}

async function show(client: LakeletClient, options: AuditOptions, io: CliIo): Promise<void> {
  const { since, who, action, resource, result, follow = false } = options
  const filter = { who, action, resource, result, from: since && readSince(since) }
  const limit = readLimit(options.limit) ?? (since === undefined ? usualLimit : Infinity)
  const isJson = options.output === 'json'
  const colours = coloursFor(io.stdout, io)
  let entries = await fetchEntries(client, filter, limit)
  if (!follow) {
    if (isJson) return printJson(entries, io)
    if (entries.length === 0) io.stderr.write('No entries.\n')
    for (const line of tableOf(entries, colours)) io.stdout.write(`${line}\n`)
    return
  }
  for (let after = 0; ; ) {
    for (const line of isJson
      ? entries.map((entry) => JSON.stringify(entry))
      : tableOf(entries, colours)) {
      io.stdout.write(`${line}\n`)
    }
    after = entries.at(-1)?.seq ?? after
    await systemClock.sleep(followEvery)
    entries = await fetchEntries(client, { ...filter, after }, Infinity)
  }
}

/** Oldest first, as logs are read; the API gives the newest first. */
async function fetchEntries(
  client: LakeletClient,
  filter: Readonly<Record<string, string | number | undefined>>,
  limit: number,
): Promise<readonly Entry[]> {
  const entries: Entry[] = []
  let token: string | undefined
  do {
    const size = Math.min(largestPage, limit - entries.length)
    const query = { ...filter, page_size: size, page_token: token }
    const page = (await client.send({ method: 'GET', path, query })).json as {
      readonly entries: readonly Entry[]
      readonly next_page_token?: string
    }
    entries.push(...page.entries)
    token = page.next_page_token
  } while (token !== undefined && entries.length < limit)
  return entries.reverse()
}

function readSince(text: string): string {
  const length = parseHumanDuration(text)
  if (length !== undefined) return rfc3339(before(systemClock.now(), length))
  if (!Number.isNaN(Date.parse(text))) return text
  throw new Refusal(`--since must be a length such as 1h or 7d, or a time in RFC 3339, not ${text}`)
}

function readLimit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text)
  throw new Refusal(`--limit must be a whole number from 1, not ${text}`)
}

/** One line an entry; columns are as wide as what is shown needs, so that a narrow one stays narrow. */
export function tableOf(entries: readonly Entry[], colours: Colours): readonly string[] {
  const rows = entries.map((entry) => [
    entry.time.replace(/\.\d+Z$/, 'Z'),
    whoOf(entry.actor),
    entry.action,
    entry.resource,
    resultOf(entry),
  ])
  const widths = [0, 1, 2, 3].map((at) => Math.max(0, ...rows.map((row) => row[at]?.length ?? 0)))
  return rows.map((row, index) => {
    const line = row.map((cell, at) => printable(cell).padEnd(widths[at] ?? 0)).join('  ')
    const result = entries[index]?.result
    return result === 'refused' || result === 'failed' ? colours.red(line) : line
  })
}

function whoOf({ kind, name, agent }: Entry['actor']): string {
  const who = kind === 'SYSTEM' ? 'lakelet' : kind === 'UNKNOWN' ? `? ${name ?? ''}`.trim() : name
  return agent === undefined ? (who ?? '?') : `${who ?? '?'} (${agent})`
}

function resultOf({ result, reason, count, changed_fields: changed }: Entry): string {
  return [
    reason === undefined ? result : `${result} ${reason}`,
    ...(changed.length === 0 ? [] : [changed.join(',')]),
    ...(count === 1 ? [] : [`${count} times`]),
  ].join('  ')
}
