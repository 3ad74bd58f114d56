/**
 * Request bodies as people and old clients send them, brought into the one form of the contract
 * before anything is checked: camelCase keys, `null` for absent, the resource wrapped in its own
 * name, and fields that never existed but are often sent. The refusals here are of bodies that no
 * form could hold: too deep, or text that Postgres cannot store.
 */
import { Fault } from './faults.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export interface Tolerance {
  /** `{"branch": {…}}` is unwrapped when there is no `spec` beside it. */
  readonly wrapper?: string
  /** The body's own standard writes camelCase (SCIM), so keys stay as they are. */
  readonly keepsNames?: true
  /** Names that mean a field of `spec`, unless that field is there itself. */
  readonly specAliases?: Readonly<Record<string, string>>
}

/** Deeper than any resource; a bound, so that recursion ends before the stack does. */
const maxDepth = 32

/** Their keys are the caller's data, not names of ours. */
const maps = new Set(['pg_settings'])

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function tolerateBody(body: JsonObject, tolerance: Tolerance = {}): JsonObject {
  const { wrapper, specAliases = {}, keepsNames = false } = tolerance
  const plain = tolerateObject(body, [], !keepsNames)
  const inner = wrapper === undefined ? undefined : plain[wrapper]
  const resource = plain.spec === undefined && isJsonObject(inner) ? inner : plain
  if (!isJsonObject(resource.spec)) return resource
  const spec = resource.spec
  const added = Object.entries(specAliases).filter(
    ([alias, field]) => spec[alias] !== undefined && spec[field] === undefined,
  )
  if (added.length === 0) return resource
  return {
    ...resource,
    spec: { ...spec, ...Object.fromEntries(added.map(([alias, field]) => [field, spec[alias]])) },
  }
}

/** `sourceBranch` → `source_branch`; anything that is not lower camel case stays as it is. */
export const snakeCase = (key: string): string =>
  /^[a-z][a-zA-Z0-9]*$/.test(key)
    ? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    : key

function tolerate(value: unknown, path: readonly string[], namesAreOurs: boolean): unknown {
  if (path.length > maxDepth) {
    throw new Fault('BODY_NOT_JSON', { problem: `it is nested deeper than ${maxDepth} levels` })
  }
  if (typeof value === 'string') return storable(value, path)
  if (Array.isArray(value)) {
    return value.map((item, index) => tolerate(item, [...path, String(index)], namesAreOurs))
  }
  return isJsonObject(value) ? tolerateObject(value, path, namesAreOurs) : value
}

function tolerateObject(
  object: JsonObject,
  path: readonly string[],
  namesAreOurs: boolean,
): JsonObject {
  const entries: [string, unknown][] = []
  for (const [key, value] of Object.entries(object)) {
    if (value === null) continue // the same as absent, as in protobuf's JSON
    const name = namesAreOurs ? snakeCase(storable(key, path)) : storable(key, path)
    if (name !== key && Object.hasOwn(object, name)) continue // the contract's spelling wins
    entries.push([name, tolerate(value, [...path, name], namesAreOurs && !maps.has(name))])
  }
  return Object.fromEntries(entries) // defines even `__proto__` as an ordinary key
}

/** Postgres holds neither NUL nor half a surrogate pair, so they are refused here, by name. */
function storable(text: string, path: readonly string[]): string {
  const problem = text.includes('\u0000')
    ? 'it holds a NUL character'
    : /\p{Surrogate}/u.test(text)
      ? 'it holds half a surrogate pair'
      : undefined
  if (problem === undefined) return text
  throw new Fault('FIELD_INVALID', { field: path.join('.') || 'body', problem })
}
