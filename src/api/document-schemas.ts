/**
 * JSON Schemas (2020-12) of the API document, made from the routes' own. A schema with an `id` becomes
 * a component, once, and every use of it a reference.
 */
import { z } from 'zod'

export type JsonSchema = z.core.JSONSchema.BaseSchema

const refs = '#/components/schemas/'

export class SchemaCollection {
  readonly #components = new Map<string, JsonSchema>()

  /** `input`: what a client sends; `output`: what it gets, where nothing undeclared may be. */
  add(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
    const {
      $schema: _,
      $defs = {},
      ...root
    } = z.toJSONSchema(schema, { io, unrepresentable: 'any', override: tidy })
    for (const [id, component] of Object.entries($defs)) this.#keep(id, withReferences(component))
    return withReferences(root)
  }

  /** By name, so that a new route moves nothing else in the document. */
  components(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries(
      [...this.#components].sort(([one], [other]) => (one < other ? -1 : 1)),
    )
  }

  #keep(id: string, component: JsonSchema): void {
    const before = this.#components.get(id)
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(component)) {
      throw new Error(`two schemas are called ${id}`)
    }
    this.#components.set(id, component)
  }
}

/**
 * Keeps out what is true of every JSON value and so says nothing. Examples of fields that are read by
 * a transformation come back: zod leaves them out, since it cannot know of which side they are.
 */
function tidy({
  zodSchema,
  jsonSchema,
}: {
  readonly zodSchema: z.core.$ZodType
  readonly jsonSchema: JsonSchema
}): void {
  const { examples } = z.globalRegistry.get(zodSchema) ?? {}
  if (Array.isArray(examples)) jsonSchema.examples = examples
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  const names = jsonSchema.propertyNames
  if (typeof names === 'object' && names.type === 'string' && Object.keys(names).length === 1) {
    delete jsonSchema.propertyNames
  }
}

function withReferences<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withReferences) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, held]) =>
      key === '$ref' && typeof held === 'string'
        ? [key, held.replace('#/$defs/', refs)]
        : [key, withReferences(held)],
    ),
  ) as T
}
