/**
 * What a field of the API document must not hold, made from its schema: every wrong type, what is too
 * long, too small and too large, and values that are in no list. Forms that the server reads beside the
 * document's (numbers in quotes, durations as numbers or objects) are not among them.
 */
import type { Schema } from './request-fields.ts'

export interface BadValue {
  readonly why: string
  readonly value: unknown
}

export const tooLong = 'x'.repeat(10_000)
const cut = { nul: 'a\u0000b', surrogate: 'a\ud800b' }

const bad = (why: string, ...values: readonly unknown[]): readonly BadValue[] =>
  values.map((value) => ({ why, value }))

/** For a field of a body. A schema that says nothing of its type takes anything. */
export function badValues(schema: Schema): readonly BadValue[] {
  const text = [
    ...bad('wrong type', 7, true, ['x'], { a: 1 }),
    ...bad('too long', tooLong),
    ...bad('not storable', cut.nul, cut.surrogate),
  ]
  if (schema.const !== undefined) {
    return bad('wrong type', 'yes', 7, ['x'], { a: 1 }, !schema.const)
  }
  if (schema.enum !== undefined) return [...text, ...bad('unknown value', 'NO_SUCH_VALUE', '')]
  switch (schema.type) {
    case 'string':
      if (schema.pattern?.endsWith('s$')) {
        return [
          ...bad('wrong type', true, ['60s'], { a: 1 }, { seconds: 'x' }),
          ...bad('no duration', 'soon', '-5s', '1e3s', -5, 1e300, tooLong, cut.nul),
        ]
      }
      if (schema.format === 'date-time') {
        return [...text, ...bad('no time', 'soon', '2030-13-45T00:00:00Z', '99999-01-01')]
      }
      return schema.minLength === undefined || schema.minLength === 0
        ? text
        : [...text, ...bad('too short', '')]
    case 'boolean':
      return bad('wrong type', 'true', 'yes', 1, 0, ['x'], { a: 1 })
    case 'integer':
    case 'number':
      return [
        ...bad('wrong type', 'seven', true, ['x'], { a: 1 }),
        ...bad('out of range', -1e300, 1e300),
        ...(schema.type === 'integer' ? bad('no whole number', 1.5) : []),
        ...(schema.minimum === undefined ? [] : bad('too small', schema.minimum - 1)),
        ...(schema.maximum === undefined ? [] : bad('too large', schema.maximum + 1)),
      ]
    case 'array':
      return bad('wrong type', 'x', 7, true, { a: 1 })
    case 'object':
      return [...bad('wrong type', 'x', 7, true, ['x']), ...badMaps(schema)]
    default:
      return []
  }
}

/** `{"name": "value"}` where the names are the caller's. */
function badMaps({ additionalProperties: values }: Schema): readonly BadValue[] {
  if (typeof values !== 'object') return []
  const many = Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`a.b${n}`, '1']))
  return [
    ...bad('wrong type', { work_mem: 7 }, { work_mem: ['x'] }),
    ...bad('too long', { work_mem: tooLong }, { [tooLong]: '1' }),
    ...bad('too many', many),
    ...bad('not storable', { work_mem: cut.nul }, { [cut.nul]: '1' }),
    ...bad('no name', { 'Not A Name': '1' }, { '': '1' }),
  ]
}

/** For a parameter of a query; `undefined`: what is not for the form of it to say. */
export function badTexts(name: string, schema: Schema): readonly string[] | undefined {
  if (name === 'page_token') return ['bm90LW91cnM', '%', '{"a":1}', tooLong, cut.nul]
  if (schema.enum !== undefined) return ['NO_SUCH_VALUE', tooLong, cut.nul]
  switch (schema.type) {
    case 'boolean':
      return ['maybe', '1', 'TRUE', tooLong, cut.nul]
    case 'integer':
      return ['-1', 'x', '1.5', '1e3', '99999999999999999999', tooLong, cut.nul]
    case 'string':
      return schema.pattern === undefined
        ? undefined
        : ['Not An Id', '-x', '../x', tooLong, cut.nul]
    default:
      return undefined
  }
}
