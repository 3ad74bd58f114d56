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
    lines.push(`${fence}diff`, ...text.slice(0, mostLines), fence)
    if (text.length > mostLines) lines.push('', `and ${text.length - mostLines} lines more`)
    lines.push('')
  }
  if (rows !== undefined && rows.length > 0) {
    lines.push('| Table | Added | Changed | Removed | |', '| --- | ---: | ---: | ---: | --- |')
    for (const { table, counts, remark = '' } of rows) {
      const { added = '?', changed = '?', removed = '?' } = counts ?? {}
      lines.push(`| ${cell(table)} | ${added} | ${changed} | ${removed} | ${cell(remark)} |`)
    }
    lines.push('')
  }
  return lines.join('\n')
}

/** A comment on GitHub holds 65 536 characters. */
const mostLines = 400

const longestRun = (text: string): number =>
  Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))

const cell = (text: string): string => text.replace(/[\\|`*_<>&[\]]/g, '\\$&').replaceAll('\n', ' ')
