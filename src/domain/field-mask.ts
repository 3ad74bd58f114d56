/**
 * Field masks (`update_mask=spec.a,spec.b`): which fields of a body an update applies. A wide path
 * (`spec`, `*`, none at all) means the fields that the body holds, never "clear the rest": Terraform
 * sends `spec` with its null fields left out. An explicit path must be in the body, where `false`,
 * `0` and `[]` count. Members of a oneof stand for their group, since some clients know only them.
 */
import { isJsonObject, type JsonObject, snakeCase } from './body-tolerance.ts'
import { Fault } from './faults.ts'
import { printable } from './names.ts'

export interface MaskFields {
  /** Paths that an update may change, oneof members included. */
  readonly leaves: readonly string[]
  /** Oneof groups: the group's path and its members' paths. Two groups may share members. */
  readonly groups: Readonly<Record<string, readonly string[]>>
  /** Known, but fixed at creation. */
  readonly immutable: readonly string[]
  /** Accepted and without effect, with everything below them. */
  readonly ignored: readonly string[]
}

/** Longer than any list of all fields; a bound on work. */
const maxLength = 4096

/** The paths to apply: each is a leaf that the body holds. */
export function resolveMask(
  mask: string | undefined,
  body: JsonObject,
  fields: MaskFields,
): readonly string[] {
  const paths = splitMask(mask ?? '')
  const applied = new Set<string>()
  for (const path of paths.length === 0 ? ['*'] : paths) {
    for (const leaf of expand(path, body, fields)) applied.add(leaf)
  }
  return fields.leaves.filter((leaf) => applied.has(leaf))
}

/** The body with nothing but these leaves, for the schema to judge what will be applied. */
export function pickLeaves(body: JsonObject, leaves: readonly string[]): JsonObject {
  const picked: Record<string, unknown> = {}
  for (const leaf of leaves) {
    const segments = leaf.split('.')
    const last = segments.pop() ?? ''
    let target = picked
    for (const segment of segments) {
      const next = (target[segment] ?? {}) as Record<string, unknown>
      target[segment] = next
      target = next
    }
    target[last] = valueAt(body, leaf)
  }
  return picked
}

function splitMask(mask: string): readonly string[] {
  if (mask.length > maxLength) {
    throw new Fault('FIELD_INVALID', {
      field: 'update_mask',
      problem: `it is longer than ${maxLength} characters`,
    })
  }
  return mask
    .split(',')
    .map((path) => path.trim())
    .filter((path) => path !== '')
    .map((path) => path.replace(/\[.*$/, '')) // `spec.custom_tags[0].key`: lists change as a whole
    .map((path) => path.split('.').map(snakeCase).join('.'))
}

function expand(path: string, body: JsonObject, fields: MaskFields): readonly string[] {
  if (path === '*') {
    return presentBelow('', body, fields).filter((leaf) => !isEmptyList(valueAt(body, leaf)))
  }
  if (path === 'spec') return presentBelow('spec.', body, fields)
  if (fields.ignored.some((ignored) => path === ignored || path.startsWith(`${ignored}.`))) {
    return []
  }
  if (fields.immutable.includes(path)) throw new Fault('FIELD_IMMUTABLE', { field: path })

  const groups = Object.entries(fields.groups).filter(
    ([group, members]) => group === path || members.includes(path),
  )
  if (groups.length > 0) {
    return mustHold(path, new Set(groups.flatMap(([, members]) => members)), body)
  }
  if (fields.leaves.includes(path)) return mustHold(path, new Set([path]), body)

  const below = fields.leaves.filter((leaf) => leaf.startsWith(`${path}.`))
  if (below.length > 0) return mustHold(path, new Set(below), body)
  throw new Fault('MASK_UNKNOWN_PATH', {
    path: printable(path),
    allowed: allowedPaths(fields).join(', '),
  })
}

/** Those of `leaves` that the body holds; none at all is refused in the name of `path`. */
function mustHold(path: string, leaves: ReadonlySet<string>, body: JsonObject): readonly string[] {
  const present = [...leaves].filter((leaf) => valueAt(body, leaf) !== undefined)
  if (present.length === 0) throw new Fault('MASK_FIELD_ABSENT', { path })
  return present
}

const presentBelow = (prefix: string, body: JsonObject, fields: MaskFields): readonly string[] =>
  fields.leaves.filter((leaf) => leaf.startsWith(prefix) && valueAt(body, leaf) !== undefined)

/** What a person should write: groups in place of their members. */
function allowedPaths(fields: MaskFields): readonly string[] {
  const members = new Set(Object.values(fields.groups).flat())
  return [...fields.leaves.filter((leaf) => !members.has(leaf)), ...Object.keys(fields.groups)]
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0

/** What stands on the way must be an object: below a text, a leaf would only seem to be absent. */
function valueAt(body: JsonObject, path: string): unknown {
  let value: unknown = body
  for (const [depth, segment] of path.split('.').entries()) {
    if (!isJsonObject(value)) {
      const field = path.split('.').slice(0, depth).join('.')
      throw new Fault('FIELD_INVALID', { field, problem: 'it must be an object' })
    }
    if (!Object.hasOwn(value, segment)) return undefined
    value = value[segment]
  }
  return value
}
