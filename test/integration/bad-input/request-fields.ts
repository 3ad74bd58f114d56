/** The fields of a request body, found in the schemas of the API document, and bodies to try them in. */

export interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly maxItems?: number
  readonly examples?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly writeOnly?: boolean
}

export type Resolve = (schema: Schema) => Schema

type Path = readonly (string | number)[]

export interface Field {
  readonly path: Path
  readonly schema: Schema
  readonly isRequired: boolean
}

export const resolver =
  (schemas: Readonly<Record<string, Schema>>): Resolve =>
  (schema) => {
    if (schema.$ref === undefined) return schema
    const found = schemas[schema.$ref.split('/').at(-1) ?? '']
    if (found === undefined) throw new Error(`${schema.$ref} leads nowhere`)
    return found
  }

/** Every field at every depth; an item of a list stands for all. */
export function fieldsOf(given: Schema, resolve: Resolve, at: Path = []): readonly Field[] {
  const schema = resolve(given)
  if (schema.items !== undefined) {
    const path = [...at, 0]
    const item = { path, schema: resolve(schema.items), isRequired: false }
    return [item, ...fieldsOf(schema.items, resolve, path)]
  }
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const path = [...at, name]
    const isRequired = schema.required?.includes(name) ?? false
    return [{ path, schema: resolve(property), isRequired }, ...fieldsOf(property, resolve, path)]
  })
}

/** A good value, with what is required alone. */
export function sampleOf(given: Schema, resolve: Resolve): unknown {
  const schema = resolve(given)
  if (schema.const !== undefined) return schema.const
  if (schema.examples !== undefined) return schema.examples[0]
  if (schema.enum !== undefined) return schema.enum[0]
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([name]) => schema.required?.includes(name))
          .map(([name, property]) => [name, sampleOf(property, resolve)]),
      )
    case 'array':
      return schema.items === undefined ? [] : [sampleOf(schema.items, resolve)]
    case 'integer':
    case 'number':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    default:
      return schema.format === 'date-time'
        ? '2030-01-31T12:00:00Z'
        : 'x'.repeat(schema.minLength ?? 1)
  }
}

/** `body` with that value there; what is missing on the way is made with what it requires. */
export function withValue(
  body: unknown,
  given: Schema,
  resolve: Resolve,
  path: Path,
  value: unknown,
): unknown {
  const [step, ...rest] = path
  if (step === undefined) return value
  const schema = resolve(given)
  if (typeof step === 'number') {
    const items = schema.items ?? {}
    const [first = sampleOf(items, resolve), ...others] = Array.isArray(body) ? body : []
    return [withValue(first, items, resolve, rest, value), ...others]
  }
  const property = schema.properties?.[step] ?? {}
  const object = typeof body === 'object' && body !== null ? body : sampleOf(schema, resolve)
  const { [step]: held, ...others } = object as Record<string, unknown>
  const below = rest.length === 0 ? undefined : (held ?? sampleOf(property, resolve))
  const made = withValue(below, property, resolve, rest, value)
  return made === undefined ? others : { ...others, [step]: made }
}
