/** A difference of two branches as text, as JSON and as a comment in Markdown. Pure. */
import type { SchemaChange } from './compare-schemas.ts'
import type { TableChanges } from './count-changes.ts'

export interface Diff {
  /** Full names of branches. */
  readonly from: string
  readonly to: string
  readonly schema: readonly SchemaChange[]
  /** `undefined`: not asked for. */
  readonly rows: readonly TableChanges[] | undefined
}

export const isSame = ({ schema, rows = [] }: Diff): boolean =>
  schema.length === 0 && rows.length === 0

export const diffBody = ({ from, to, schema, rows }: Diff) => ({
  from,
  to,
  schema,
  ...(rows === undefined
    ? {}
    : { rows: rows.map(({ table, counts, remark }) => ({ table, ...counts, remark })) }),
})

/** `PROJECT/BRANCH`. */
export const shortName = (branch: string): string =>
  branch.replace(/^projects\/([^/]+)\/branches\//, '$1/')

const marks = { added: '+', removed: '-', changed: '~' } as const

/** One line a thing; what it was and is below it where that is long. */
export function* schemaLines(schema: readonly SchemaChange[]): Generator<string> {
  for (const { change, kind, name, properties } of schema) {
    const all = Object.entries(properties)
    const brief = all.map(([property, { from, to }]) =>
      change === 'changed'
        ? `${property}: ${from ?? 'none'} → ${to ?? 'none'}`
        : sayProperty(property, to ?? from ?? ''),
    )
    const isShort = brief.every((text) => !text.includes('\n')) && brief.join('; ').length <= 160
    const head = `${marks[change]} ${kind} ${name}`
    yield isShort && brief.length > 0 ? `${head}  ${brief.join('; ')}` : head
    if (isShort) continue
    for (const [property, { from, to }] of all) {
      yield `    ${property}:`
      for (const line of from?.trimEnd().split('\n') ?? []) yield `-     ${line}`
      for (const line of to?.trimEnd().split('\n') ?? []) yield `+     ${line}`
    }
  }
}

/** Types and definitions speak for themselves, and what is only true or not is its name. */
function sayProperty(property: string, value: string): string {
  if (property === 'type' || property === 'definition') return value
  return value === 'true' ? property : `${property} ${value}`
}

export function* rowLines(rows: readonly TableChanges[]): Generator<string> {
  for (const { table, counts, remark } of rows) {
    const note = remark === undefined ? '' : ` (${remark})`
    yield counts === undefined
      ? `${table}: not counted${note}`
      : `${table}: ${counts.added} added, ${counts.changed} changed, ${counts.removed} removed${note}`
  }
}

/** The first line is a mark by which a program finds its own comment again, to replace it. */
export function markdown(diff: Diff): string {
  const { from, to, schema, rows } = diff
  const title = `**\`${shortName(to)}\`** against \`${shortName(from)}\``
  const lines = [`<!-- lakelet diff ${to} -->`, `### Database changes`, '', title, '']
  if (isSame(diff)) {
    const what = rows === undefined ? 'The schema is the same.' : 'Schema and rows are the same.'
    return [...lines, what, ''].join('\n')
  }
  if (schema.length > 0) {
    const text = [...schemaLines(schema)]
    const fence = '`'.repeat(Math.max(3, 1 + longestRun(text.join('\n'))))
    const kept = firstLines(text, roomOfSchema)
    lines.push(`${fence}diff`, ...kept, fence)
    if (text.length > kept.length) lines.push('', `and ${text.length - kept.length} lines more`)
    lines.push('')
  }
  if (rows !== undefined && rows.length > 0) {
    lines.push('| Table | Added | Changed | Removed | |', '| --- | ---: | ---: | ---: | --- |')
    const text = rows.map(tableRow)
    const kept = firstLines(text, roomOfRows)
    lines.push(...kept)
    if (text.length > kept.length) lines.push('', `and ${text.length - kept.length} tables more`)
    lines.push('')
  }
  return lines.join('\n')
}

/** In characters: a comment on GitHub holds 65 536. */
const roomOfSchema = 35_000
const roomOfRows = 20_000

/** As many whole lines as `room` has characters for. */
export function firstLines(lines: readonly string[], room: number): readonly string[] {
  let left = room
  const end = lines.findIndex((line) => {
    left -= line.length + 1
    return left < 0
  })
  return end === -1 ? lines : lines.slice(0, end)
}

function tableRow({ table, counts, remark = '' }: TableChanges): string {
  const { added = '?', changed = '?', removed = '?' } = counts ?? {}
  return `| ${cell(table)} | ${added} | ${changed} | ${removed} | ${cell(remark)} |`
}

const longestRun = (text: string): number =>
  Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))

const cell = (text: string): string => text.replace(/[\\|`*_<>&[\]]/g, '\\$&').replaceAll('\n', ' ')
