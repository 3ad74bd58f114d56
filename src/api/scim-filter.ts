/**
 * SCIM filters (RFC 7644 §3.4.2.2) over rendered resources: `userName eq "a@b.c" and active eq true`.
 * The grammar is a library's; which attributes may be asked for, and what equal means, is said here.
 * A filter is data: nothing of it ever becomes SQL.
 */
import { type Filter, parse } from 'scim2-parse-filter'
import { Fault } from '../domain/faults.ts'
import { printable } from '../domain/names.ts'

export type ScimResource = Readonly<Record<string, unknown>>

/** Attributes that can be asked for, in lower case; of a list of objects, `emails` means `emails.value`. */
const known = new Set(
  [
    'id userName applicationId displayName active externalId',
    'name.givenName name.familyName emails emails.value emails.type emails.primary',
    'groups groups.value groups.display members members.value members.display',
    'entitlements entitlements.value roles roles.value meta.resourceType',
  ]
    .join(' ')
    .toLowerCase()
    .split(' '),
)
/** Inside `members[…]`. */
const knownOfItem = new Set(['value', 'display', 'type', 'primary'])

const invalid = (problem: string, cause?: unknown): Fault =>
  new Fault('SCIM_FILTER_INVALID', { problem }, cause === undefined ? undefined : { cause })

export type Matches = (resource: ScimResource) => boolean

/** `ofItem`: the filter is one of `members[…]`, over one of the members. */
export function readFilter(text: string, { ofItem = false } = {}): Matches {
  const filter = parseText(text)
  checkAttributes(filter, ofItem ? knownOfItem : known)
  return (resource) => test(filter, resource)
}

function parseText(text: string): Filter {
  try {
    return parse(text)
  } catch (error) {
    throw invalid(`'${printable(text)}' cannot be read`, error)
  }
}

function checkAttributes(filter: Filter, allowed: ReadonlySet<string>, prefix = ''): void {
  switch (filter.op) {
    case 'and':
    case 'or':
      for (const part of filter.filters) checkAttributes(part, allowed, prefix)
      return
    case 'not':
      checkAttributes(filter.filter, allowed, prefix)
      return
    case '[]':
      checkAttributes(filter.valFilter, allowed, `${bare(filter.attrPath)}.`)
      return
    default: {
      const name = prefix + bare(filter.attrPath)
      if (!allowed.has(name)) {
        throw invalid(`the attribute '${printable(filter.attrPath)}' cannot be filtered by`)
      }
    }
  }
}

/** Without the schema's URN, in lower case: attribute names ignore case. */
const bare = (path: string): string => path.slice(path.lastIndexOf(':') + 1).toLowerCase()

function test(filter: Filter, resource: unknown): boolean {
  switch (filter.op) {
    case 'and':
      return filter.filters.every((part) => test(part, resource))
    case 'or':
      return filter.filters.some((part) => test(part, resource))
    case 'not':
      return !test(filter.filter, resource)
    case '[]':
      return valuesAt(resource, bare(filter.attrPath).split('.')).some((item) =>
        test(filter.valFilter, item),
      )
    case 'pr':
      return plainValues(resource, filter.attrPath).some((value) => value !== '')
    case 'ne':
      return !plainValues(resource, filter.attrPath).some((value) =>
        compare('eq', value, filter.compValue),
      )
    case 'eq':
      if (filter.compValue === null) return plainValues(resource, filter.attrPath).length === 0
      return plainValues(resource, filter.attrPath).some((value) =>
        compare('eq', value, filter.compValue),
      )
    default: {
      const { op, compValue } = filter
      return plainValues(resource, filter.attrPath).some((value) => compare(op, value, compValue))
    }
  }
}

function valuesAt(value: unknown, path: readonly string[]): readonly unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => valuesAt(item, path))
  const [first, ...rest] = path
  if (first === undefined) return value === undefined || value === null ? [] : [value]
  if (typeof value !== 'object' || value === null) return []
  const key = Object.keys(value).find((name) => name.toLowerCase() === first)
  return key === undefined ? [] : valuesAt((value as Record<string, unknown>)[key], rest)
}

const plainValues = (resource: unknown, attrPath: string): readonly unknown[] =>
  valuesAt(resource, bare(attrPath).split('.')).map((value) =>
    typeof value === 'object' && value !== null && 'value' in value ? value.value : value,
  )

type Comparison = 'eq' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le'

/** Names and mail addresses ignore case, as clients of a workspace expect. */
function compare(op: Comparison, left: unknown, right: unknown): boolean {
  if (typeof left !== typeof right) return false
  if (typeof left !== 'string' || typeof right !== 'string') return op === 'eq' && left === right
  const [a, b] = [left.toLowerCase(), right.toLowerCase()]
  switch (op) {
    case 'eq':
      return a === b
    case 'co':
      return a.includes(b)
    case 'sw':
      return a.startsWith(b)
    case 'ew':
      return a.endsWith(b)
    case 'gt':
      return a > b
    case 'ge':
      return a >= b
    case 'lt':
      return a < b
    case 'le':
      return a <= b
  }
}
