/**
 * PATCH of SCIM (RFC 7644 §3.5.2): operations applied to a resource as it was rendered. What comes out
 * is read as if it had been PUT, so every field is checked in one place. Pure.
 */
import { isJsonObject, type JsonObject } from '../domain/body-tolerance.ts'
import { Fault } from '../domain/faults.ts'
import { printable } from '../domain/names.ts'
import { type Matches, readFilter, type ScimResource } from './scim-filter.ts'

export interface PatchOperation {
  readonly op: 'add' | 'remove' | 'replace'
  readonly path?: string
  readonly value?: unknown
}

const single = ['active', 'displayName', 'userName', 'applicationId', 'externalId'] as const
const lists = ['members', 'groups', 'entitlements', 'roles', 'emails'] as const
const parts = ['givenName', 'familyName'] as const
const named = (words: readonly string[], word: string): string | undefined =>
  words.find((known) => known.toLowerCase() === word.toLowerCase())

/** Where an operation points. */
type Target =
  | { readonly kind: 'single'; readonly name: string }
  /** `name`, or `name.givenName`. */
  | { readonly kind: 'name'; readonly part: string | undefined }
  | {
      readonly kind: 'list'
      readonly name: string
      readonly filter: Matches | undefined
      /** `emails[type eq "work"].value` */
      readonly part: string | undefined
    }

export function applyPatch(
  resource: ScimResource,
  operations: readonly PatchOperation[],
): ScimResource {
  let patched: JsonObject = structuredClone(resource) as JsonObject
  for (const operation of operations) patched = applyOne(patched, operation)
  return patched
}

function applyOne(resource: JsonObject, { op, path, value }: PatchOperation): JsonObject {
  if (op === 'add' && value === undefined) {
    throw new Fault('FIELD_REQUIRED', { field: 'Operations.value' })
  }
  if (path !== undefined && path !== '') return applyAt(resource, op, readPath(path), path, value)
  if (op === 'remove') {
    throw new Fault('SCIM_PATH_INVALID', { problem: 'an operation "remove" needs a path' })
  }
  if (!isJsonObject(value)) {
    throw wrongValue('without a path it must be an object of attributes')
  }
  let patched = resource
  for (const [key, part] of Object.entries(value)) {
    if (['schemas', 'id', 'meta'].includes(key)) continue // said again, never changed
    patched = applyAt(patched, op, readPath(key), key, part)
  }
  return patched
}

const PATH = /^([A-Za-z]{1,40})(?:\[(.{1,1000})\])?(?:\.([A-Za-z]{1,40}))?$/

function readPath(text: string): Target {
  const [, word = '', filter, part] = PATH.exec(text.replace(/^urn:[\w.:]{1,200}:/i, '')) ?? []
  const list = named(lists, word)
  if (list !== undefined) {
    const matches = filter === undefined ? undefined : readFilter(filter, { ofItem: true })
    return { kind: 'list', name: list, filter: matches, part }
  }
  const name = named(single, word)
  const isPlain = filter === undefined
  if (isPlain && name !== undefined && part === undefined) return { kind: 'single', name }
  const ofName = part === undefined ? undefined : named(parts, part)
  if (isPlain && word.toLowerCase() === 'name' && (part === undefined || ofName !== undefined)) {
    return { kind: 'name', part: ofName }
  }
  throw new Fault('SCIM_PATH_INVALID', { problem: `'${printable(text)}' is no attribute here` })
}

function applyAt(
  resource: JsonObject,
  op: PatchOperation['op'],
  target: Target,
  path: string,
  value: unknown,
): JsonObject {
  // `null` arrives as absent: a replacement by nothing.
  const isGone = op === 'remove' || value === undefined
  switch (target.kind) {
    case 'single':
      if (isGone && target.name !== 'externalId') {
        // The Python SDK drops a `false` on its way; to ignore that would leave somebody active.
        throw new Fault('FIELD_REQUIRED', { field: `${target.name} (value)` })
      }
      return { ...resource, [target.name]: isGone ? undefined : plainFlag(target.name, value) }
    case 'name': {
      const before = isJsonObject(resource.name) ? resource.name : {}
      if (target.part !== undefined) {
        return { ...resource, name: { ...before, [target.part]: isGone ? undefined : value } }
      }
      if (isGone) return { ...resource, name: undefined }
      if (!isJsonObject(value)) throw wrongValue('a name must be an object')
      return { ...resource, name: { ...before, ...value } }
    }
    case 'list': {
      const before = Array.isArray(resource[target.name]) ? (resource[target.name] as Item[]) : []
      return { ...resource, [target.name]: changeList(before, op, target, path, value) }
    }
  }
}

/** Some clients write `"False"`; `"false"` is how the Python SDK can say it at all. */
function plainFlag(name: string, value: unknown): unknown {
  if (name !== 'active' || typeof value !== 'string') return value
  const word = value.toLowerCase()
  return word === 'true' ? true : word === 'false' ? false : value
}

type Item = Record<string, unknown>

function changeList(
  before: readonly Item[],
  op: PatchOperation['op'],
  { filter, part }: Extract<Target, { kind: 'list' }>,
  path: string,
  value: unknown,
): readonly Item[] {
  if (filter !== undefined) {
    if (op === 'remove') return before.filter((item) => !filter(item))
    if (!before.some(filter)) {
      throw new Fault('SCIM_NO_TARGET', { path: printable(path) })
    }
    const change = part === undefined ? value : { [part]: value }
    if (!isJsonObject(change)) throw wrongValue('it must be an object')
    return before.map((item) => (filter(item) ? { ...item, ...change } : item))
  }
  if (value === undefined) return []
  const items = itemsOf(value)
  const has = (list: readonly Item[], item: Item) =>
    list.some((other) => other.value === item.value)
  switch (op) {
    case 'remove':
      return before.filter((item) => !has(items, item))
    case 'add':
      return [...before, ...items.filter((item) => !has(before, item))]
    case 'replace':
      return items
  }
}

/** A list of objects, one object, or bare values. */
function itemsOf(value: unknown): readonly Item[] {
  const list = Array.isArray(value) ? value : [value]
  return list.map((item: unknown) => {
    if (typeof item === 'string') return { value: item }
    if (isJsonObject(item)) return { ...item }
    throw wrongValue('it must be a list of objects with a value')
  })
}

const wrongValue = (problem: string): Fault =>
  new Fault('FIELD_INVALID', { field: 'Operations.value', problem })
