/**
 * `lakelet status`: what the server says of itself, and the branches that the caller may see with the window and
 * the cost of their history; as a table for people or as JSON.
 */
import { ConnectionFailed, howToStart } from '../client/api-error.ts'
import type { LakeletClient } from '../client/lakelet-client.ts'
import { apiRoot } from '../client/resource-collection.ts'
import { readableBytes } from '../lib/byte-size.ts'
import { type FillCommand, sharedOptions } from './command-context.ts'
import { clientFor, connect } from './connection.ts'
import { Refusal } from './refusal.ts'
import { coloursFor, printable, printJson } from './terminal.ts'

export const fillStatus: FillCommand = (command, { io }) => {
  command.action(async () => {
    const options = sharedOptions(command)
    const connection = await connect(options, io)
    const client = clientFor(connection, options, io)
    const status = await client
      .send({ method: 'GET', path: '/api/lakelet/v1/status', attempts: 1 })
      .catch((error: unknown) => {
        if (!(error instanceof ConnectionFailed)) throw error
        throw new Refusal(
          `no Lakelet server answers at ${connection.host}: ${error.message}`,
          error.hint ?? howToStart,
        )
      })
    const { branches, isAll } = await readBranches(client)
    const seen = { ...asRecord(status.json), branches }
    if (options.output === 'json') return printJson(seen, io)
    const { bold } = coloursFor(io.stdout, io)
    const rows = branches.map(({ history_bytes: bytes, ...row }) => ({
      ...row,
      history: bytes === undefined ? undefined : readableBytes(bytes),
    }))
    const shown = { server: connection.host, ...seen, branches: rows }
    for (const line of tableOf(shown, bold)) io.stdout.write(`${line}\n`)
    if (!isAll) io.stdout.write('  … and more: lakelet postgres list-branches projects/PROJECT\n')
  })
}

interface BranchSeen {
  readonly branch: string
  readonly state: string
  /** The oldest time that another branch can begin at; absent: nothing yet. */
  readonly history_since?: string
  readonly history_bytes?: number
}

/** A status is looked at: what fills more than a screen or two is listed elsewhere. */
const most = 100

async function readBranches(
  client: LakeletClient,
): Promise<{ readonly branches: readonly BranchSeen[]; readonly isAll: boolean }> {
  const page = async (path: string, key: string) => {
    const { json } = await client.send({ method: 'GET', path, query: { page_size: String(most) } })
    const { next_page_token: next, [key]: items } = asRecord(json)
    const records = Array.isArray(items) ? items.map(asRecord) : []
    return { records, isAll: next === undefined || next === '' }
  }
  const projects = await page(`${apiRoot}/projects`, 'projects')
  const branches: BranchSeen[] = []
  let { isAll } = projects
  for (const { name } of projects.records) {
    if (branches.length >= most) return { branches, isAll: false }
    const found = await page(`${apiRoot}/${name}/branches`, 'branches')
    isAll &&= found.isAll
    branches.push(...found.records.map(rowOf))
  }
  return { branches, isAll }
}

function rowOf({ name, status }: Readonly<Record<string, unknown>>): BranchSeen {
  const { current_state: state, history } = asRecord(status)
  const { window_start_time: since, size_bytes: bytes } = asRecord(history)
  return {
    branch: String(name),
    state: String(state),
    ...(since === undefined ? {} : { history_since: String(since) }),
    ...(bytes === undefined ? {} : { history_bytes: Number(bytes) }),
  }
}

/**
 * Any JSON object as aligned lines: what the server reports may grow without this command. Objects
 * become a heading with their own lines below, lists of objects a table.
 */
export function tableOf(
  value: Readonly<Record<string, unknown>>,
  heading: (text: string) => string = String,
  depth = 0,
): string[] {
  const margin = '  '.repeat(depth)
  const entries = Object.entries(value)
  const isFlat = (item: unknown) =>
    typeof item !== 'object' ||
    item === null ||
    (Array.isArray(item) && item.every((inner) => typeof inner !== 'object' || inner === null))
  const plain = entries.filter(([, item]) => isFlat(item))
  const width = Math.max(0, ...plain.map(([key]) => words(key).length))
  const lines = plain.map(([key, item]) => `${margin}${words(key).padEnd(width)}  ${cell(item)}`)
  if (depth > 8) return lines // deeper than anything a person reads in a table
  for (const [key, item] of entries.filter(([, inner]) => !isFlat(inner))) {
    lines.push(`${margin}${heading(words(key))}`)
    if (Array.isArray(item)) lines.push(...rowsOf(item.map(asRecord), `${margin}  `))
    else lines.push(...tableOf(asRecord(item), heading, depth + 1))
  }
  return lines
}

function rowsOf(rows: readonly Readonly<Record<string, unknown>>[], margin: string): string[] {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const cells = [columns.map(words), ...rows.map((row) => columns.map((key) => cell(row[key])))]
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)))
  return cells.map((row) =>
    `${margin}${row.map((text, at) => text.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd(),
  )
}

const words = (key: string): string =>
  printable(
    key
      .replace(/([a-z])([A-Z])/g, '$1 $2')
      .replaceAll('_', ' ')
      .toLowerCase(),
  )

function cell(value: unknown): string {
  if (value === undefined || value === null) return '-'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(cell).join(', ')
  return printable(typeof value === 'object' ? JSON.stringify(value) : String(value))
}

const asRecord = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : { value }
