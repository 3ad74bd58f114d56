/** Fields of a manifest, which is read from a place that anybody may have written to. Each throws an Error. */

export type Fields = Readonly<Record<string, unknown>>

export function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new Error('an object is missing')
}

export function textOf(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value === 'string' && value.length <= 10_000) return value
  throw new Error(`${name} is not a text`)
}

/** A whole number from 0 on. */
export function numberOf(fields: Fields, name: string): number {
  const value = fields[name]
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new Error(`${name} is not a whole number`)
}

/** Any number from 0 on. */
export function quantityOf(fields: Fields, name: string): number {
  const value = fields[name]
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new Error(`${name} is not a number`)
}

export const flagOf = (fields: Fields, name: string): boolean => fields[name] === true

export function listOf(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name]
  if (Array.isArray(value)) return value as readonly unknown[]
  throw new Error(`${name} is not a list`)
}

export function textsOf(fields: Fields, name: string): readonly string[] {
  return listOf(fields, name).map((value) => textOf({ [name]: value }, name))
}

/** SHA-256 in hex. */
export function hexOf(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value
  throw new Error('a hash is not one')
}
