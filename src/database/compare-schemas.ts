/** What is other in one schema than in another. Pure. */
import { type SchemaKind, type SchemaObject, schemaKinds } from './read-schema.ts'

export interface SchemaChange {
  readonly change: 'added' | 'removed' | 'changed'
  readonly kind: SchemaKind
  readonly name: string
  /** What each property was and is; `undefined` where it is not there. Of what was added or removed all of them. */
  readonly properties: Readonly<
    Record<string, { readonly from?: string | undefined; readonly to?: string | undefined }>
  >
}

/** By kind, then by name. A thing that was renamed is one removed and one added. */
export function compareSchemas(
  from: readonly SchemaObject[],
  to: readonly SchemaObject[],
): readonly SchemaChange[] {
  const key = ({ kind, name }: SchemaObject) => `${kind} ${name}`
  const before = new Map(from.map((object) => [key(object), object]))
  const after = new Map(to.map((object) => [key(object), object]))
  const changes = [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [old, now] = [before.get(name), after.get(name)]
    const object = now ?? old
    if (object === undefined) return []
    const properties = propertyChanges(old, now)
    if (old !== undefined && now !== undefined && Object.keys(properties).length === 0) return []
    const change = old === undefined ? 'added' : now === undefined ? 'removed' : 'changed'
    return [{ change, kind: object.kind, name: object.name, properties } as const]
  })
  const place = ({ kind }: SchemaChange) => schemaKinds.indexOf(kind)
  return changes.sort((one, other) => place(one) - place(other) || (one.name < other.name ? -1 : 1))
}

function propertyChanges(
  old: SchemaObject | undefined,
  now: SchemaObject | undefined,
): SchemaChange['properties'] {
  const names = new Set([
    ...Object.keys(old?.properties ?? {}),
    ...Object.keys(now?.properties ?? {}),
  ])
  return Object.fromEntries(
    [...names].flatMap((name) => {
      const [from, to] = [old?.properties[name], now?.properties[name]]
      return from === to ? [] : [[name, { from, to }]]
    }),
  )
}
