/** Lists of SCIM (RFC 7644 §3.4.2): filtered, sorted, cut to a page and to the attributes asked for. */
import { z } from 'zod'
import { line } from './fields.ts'
import { readFilter, type ScimResource } from './scim-filter.ts'

const whole = z
  .string()
  .regex(/^-?\d{1,9}$/, 'it must be a whole number')
  .transform(Number)

const projection = {
  attributes: line(0, 1000).optional(),
  excludedAttributes: line(0, 1000).optional(),
} as const

export const oneQuery = z.object(projection)

export const listQuery = z.object({
  ...projection,
  filter: line(0, 1000).optional(),
  startIndex: whole.optional(),
  count: whole.optional(),
  sortBy: line(0, 200).optional(),
  sortOrder: line(0, 200).optional(),
})

/** A page beyond the end is empty, which is how the SDKs stop. Values below 1 mean 1, below 0 mean 0. */
export function listOf(
  resources: readonly ScimResource[],
  query: z.output<typeof listQuery>,
): ScimResource {
  const { filter, sortBy, sortOrder } = query
  const matches = filter === undefined || filter.trim() === '' ? () => true : readFilter(filter)
  const found = sorted(resources.filter(matches), sortBy, sortOrder)
  const start = Math.max(1, query.startIndex ?? 1)
  const count = Math.max(0, query.count ?? found.length)
  const page = found.slice(start - 1, start - 1 + count)
  return {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
    totalResults: found.length,
    startIndex: start,
    itemsPerPage: page.length,
    Resources: page.map((resource) => project(resource, query)),
  }
}

/** By a plain attribute; anything else leaves the order as it is. */
function sorted(
  resources: readonly ScimResource[],
  sortBy: string | undefined,
  sortOrder: string | undefined,
): readonly ScimResource[] {
  if (sortBy === undefined) return resources
  const keyOf = (resource: ScimResource) => {
    const name = Object.keys(resource).find((key) => key.toLowerCase() === sortBy.toLowerCase())
    const value = name === undefined ? undefined : resource[name]
    return typeof value === 'string' ? value.toLowerCase() : ''
  }
  const sign = sortOrder?.toLowerCase() === 'descending' ? -1 : 1
  return [...resources].sort((a, b) => {
    const [one, other] = [keyOf(a), keyOf(b)]
    return one === other ? 0 : one < other ? -sign : sign
  })
}

/** `id` and `schemas` are always there; `members.value` asks for `members`. */
export function project(
  resource: ScimResource,
  { attributes, excludedAttributes }: z.output<typeof oneQuery>,
): ScimResource {
  const words = (text: string | undefined) =>
    new Set((text ?? '').split(',').flatMap((word) => topOf(word.trim()) ?? []))
  const wanted = words(attributes)
  const unwanted = words(excludedAttributes)
  if (wanted.size === 0 && unwanted.size === 0) return resource
  return Object.fromEntries(
    Object.entries(resource).filter(([key]) => {
      const name = key.toLowerCase()
      if (name === 'id' || name === 'schemas') return true
      return (wanted.size === 0 || wanted.has(name)) && !unwanted.has(name)
    }),
  )
}

const topOf = (word: string): string | undefined =>
  word === ''
    ? undefined
    : word
        .slice(word.lastIndexOf(':') + 1)
        .split('.')[0]
        ?.toLowerCase()
