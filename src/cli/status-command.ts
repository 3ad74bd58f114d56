/** `lakelet status`: what the server says of itself, as a table for people or as JSON. */
import { ConnectionFailed } from '../client/api-error.ts'
import { type FillCommand, sharedOptions } from './command-context.ts'
import { clientFor, connect } from './connection.ts'
import { howToStart } from './local-server.ts'
import { Refusal } from './refusal.ts'
import { coloursFor, printable, printJson } from './terminal.ts'

export const fillStatus: FillCommand = (command, { io }) => {
  command.action(async () => {
    const options = sharedOptions(command)
    const connection = await connect(options, io)
    const status = await clientFor(connection, options, io)
      .send({ method: 'GET', path: '/api/lakelet/v1/status', attempts: 1 })
      .catch((error: unknown) => {
        if (!(error instanceof ConnectionFailed)) throw error
        throw new Refusal(
          `no Lakelet server answers at ${connection.host}: ${error.message}`,
          error.hint ?? howToStart,
        )
      })
    if (options.output === 'json') return printJson(status.json ?? {}, io)
    const { bold } = coloursFor(io.stdout, io)
    for (const line of tableOf({ server: connection.host, ...asRecord(status.json) }, bold)) {
      io.stdout.write(`${line}\n`)
    }
  })
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
