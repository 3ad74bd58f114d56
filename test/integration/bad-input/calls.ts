/**
 * Every request that the API document does not allow, one field at a time: per operation, made from its
 * parameters and its body. What stays good is what it takes to be judged for that one field.
 */
import type { DocumentedOperation } from '../../../src/api/document.ts'
import { type BadValue, badTexts, badValues, tooLong } from './bad-values.ts'
import {
  type Field,
  fieldsOf,
  type Resolve,
  type Schema,
  sampleOf,
  withValue,
} from './request-fields.ts'

export interface Operation
  extends Pick<DocumentedOperation, 'operationId' | 'parameters' | 'requestBody' | 'responses'> {
  readonly method: string
  readonly path: string
}

export interface Call {
  readonly told: string
  /** One of these is in what the refusal says. */
  readonly names: readonly string[]
  readonly path: string
  readonly body?: unknown
  /** Any text may stand there, so it may be accepted; nothing may break over it. */
  readonly mayPass?: true
}

const ends = new Set(['ttl', 'expire_time', 'no_expiry'])

/** Good values for the places of a path. */
export type Places = (operation: Operation) => Readonly<Record<string, string>>

export const bodySchema = (operation: Operation): Schema | undefined =>
  operation.requestBody?.content['application/json']?.schema as Schema | undefined

/** The document's example, on resources that are there. */
export function goodBody(operation: Operation, resolve: Resolve, local: (text: string) => string) {
  const { schema, example } = operation.requestBody?.content['application/json'] ?? {}
  if (schema === undefined) return undefined
  const sample = example ?? sampleOf(schema as Schema, resolve)
  return JSON.parse(local(JSON.stringify(sample))) as Readonly<Record<string, unknown>>
}

export function badCalls(
  operation: Operation,
  resolve: Resolve,
  good: { readonly places: Readonly<Record<string, string>>; readonly body: unknown },
): readonly Call[] {
  const { parameters = [] } = operation
  const url = (query: Readonly<Record<string, string>> = {}, places = good.places): string => {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const place = places[name]
      // What is not served refuses whatever it is asked about.
      if (place === undefined && operation.responses[501] === undefined) {
        throw new Error(`say in world.ts what {${name}} may be`)
      }
      return encodeURIComponent(place ?? 'absent')
    })
    const search = new URLSearchParams(query).toString()
    return search === '' ? path : `${path}?${search}`
  }
  const inQuery = parameters.filter(({ in: place }) => place === 'query')
  const required = Object.fromEntries(
    inQuery
      .filter(({ required: is }) => is)
      .map(({ name, schema }) => [name, `${sampleOf(schema as Schema, resolve)}-of-bad-input`]),
  )
  const schema = bodySchema(operation)

  const fieldCalls = (field: Field): readonly Call[] => {
    const name = String(field.path.findLast((step) => typeof step === 'string'))
    // The end of a branch is spoken of as one thing, in the service's own words.
    const names = ends.has(name) ? [name, 'expiration'] : [name]
    const where = field.path.join('.')
    const missing = field.isRequired
      ? [
          { why: 'missing', value: undefined },
          { why: 'null', value: null },
        ]
      : []
    return [...missing, ...badValues(field.schema)].map(({ why, value }: BadValue) => ({
      told: `${where}: ${why} ${say(value)}`,
      names,
      path: url(required),
      body: withValue(good.body, schema ?? {}, resolve, field.path, value),
    }))
  }
  const parameterCalls = inQuery.flatMap(
    ({ name, schema: shape, required: isRequired }): Call[] => {
      if (name === 'update_mask') return []
      const texts = badTexts(name, shape as Schema)
      const missing = isRequired ? [{ ...required, [name]: '' }, without(required, name)] : []
      return [
        ...missing.map((query) => ({
          told: `?${name}: missing`,
          names: [name],
          path: url(query),
          body: good.body,
        })),
        ...(texts ?? [tooLong, 'a\u0000b', '"', '%00', 'é']).map((text) => ({
          told: `?${name}: ${say(text)}`,
          names: texts === undefined ? [name, 'not found'] : [name],
          path: url({ ...required, [name]: text }),
          body: good.body,
          ...(texts === undefined ? { mayPass: true as const } : {}),
        })),
      ]
    },
  )
  const placeCalls = Object.keys(good.places)
    .filter((name) => operation.path.includes(`{${name}}`))
    .flatMap((name) =>
      ['Not An Id', tooLong, '%00'].map((text) => ({
        told: `{${name}}: ${say(text)}`,
        names: [name, 'not found', 'not valid'],
        path: url(required, { ...good.places, [name]: text }),
        body: good.body,
      })),
    )
  const whole = ['[]', '7', 'null', '"x"', '{', '{"spec":{"a":1}', '\ud800'].map((body) => ({
    told: `the body: ${say(body)}`,
    names: ['body'],
    path: url(required),
    body,
  }))
  return [
    ...placeCalls,
    ...parameterCalls,
    ...(schema === undefined ? [] : [...whole, ...fieldsOf(schema, resolve).flatMap(fieldCalls)]),
  ]
}

const without = (query: Readonly<Record<string, string>>, name: string) =>
  Object.fromEntries(Object.entries(query).filter(([key]) => key !== name))

const say = (value: unknown): string => (JSON.stringify(value) ?? 'undefined').slice(0, 60)

/** Paths that an update's mask must refuse, each with a body that holds the field. */
export function badMasks(
  operation: Operation,
  good: { readonly places: Readonly<Record<string, string>>; readonly body: unknown },
  fixed: readonly string[],
): readonly Call[] {
  const mask = operation.parameters?.find(({ name }) => name === 'update_mask')
  const schema = bodySchema(operation)
  if (mask === undefined || schema === undefined) return []
  const allowed = [...(mask.description ?? '').matchAll(/`([a-z_.]+)`/g)].flatMap(
    ([, path = '']) => (path.includes('.') ? [path] : []),
  )
  const at = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => good.places[name] ?? '')
  const call = (told: string, text: string, named: string, body: unknown): Call => ({
    told: `?update_mask: ${told} ${say(text)}`,
    names: [named],
    path: `${at}?update_mask=${encodeURIComponent(text)}`,
    body,
  })
  const outputs = ['name', 'uid', 'parent', 'create_time', 'status', 'status.current_state']
  const unknown = ['spec.no_such_field', 'specs', '__proto__', 'spec.constructor.name', 'spec..x']
  const held = { ...(good.body as object), status: { current_state: 'READY' } }
  const holding = (path: string) => setPath(held, path.split('.'), 'x')
  return [
    ...outputs.map((path) => call('output-only', path, path, holding(path))),
    ...unknown.map((path) => call('unknown', path, path, held)),
    ...fixed.map((path) => call('fixed at creation', path, path, holding(path))),
    ...allowed.flatMap((path) => [
      call('not in the body', path, path, {}),
      call('one unknown', `spec.no_such_field,${path}`, 'spec.no_such_field', held),
    ]),
    call('too long', `spec.${tooLong}`, 'update_mask', held),
  ]
}

function setPath(body: object, [step = '', ...rest]: readonly string[], value: unknown): object {
  const held = (body as Record<string, unknown>)[step]
  const below = typeof held === 'object' && held !== null ? held : {}
  return { ...body, [step]: rest.length === 0 ? value : setPath(below, rest, value) }
}
