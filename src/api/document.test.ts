import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { codes } from '../domain/fault-codes.ts'
import { apiDocument, declaredRoutes } from './create-api.ts'
import { type DocumentedOperation, describeApi } from './document.ts'
import type { JsonSchema } from './document-schemas.ts'
import { recordedApi } from './recording-actions.fixture.ts'
import { ok, route } from './route.ts'

const document = apiDocument('1.2.3')
const operations: readonly DocumentedOperation[] = Object.values(document.paths).flatMap((path) =>
  Object.values(path),
)
const text = JSON.stringify(document)

describe('the API document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const validator = new Validator()
    expect(await validator.validate(JSON.parse(text))).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
    // Refuses a document whose references lead nowhere.
    expect(() => validator.resolveRefs()).not.toThrow()
  })

  test('names every operation once, as a program would', () => {
    const ids = operations.map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z0-9]*$/)
    expect(ids).toHaveLength(declaredRoutes('0').length)
  })

  test('has no reference that leads nowhere, and no schema that nobody uses', () => {
    const used = new Set(
      [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name),
    )
    expect([...used].sort()).toEqual(Object.keys(document.components.schemas))
  })

  test('describes each parameter of each path', () => {
    for (const [path, described] of Object.entries(document.paths)) {
      for (const { parameters = [] } of Object.values(described)) {
        const named = parameters.filter(({ in: place }) => place === 'path').map(({ name }) => name)
        expect(named).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))
      }
    }
  })

  test('has examples that are good', () => {
    const ajv = new Ajv2020({ strict: true, strictTypes: false })
    formats.default(ajv)
    const local = (schema: unknown): JsonSchema =>
      JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', 'api#/$defs/'))
    ajv.addSchema({ $id: 'api', $defs: local(document.components.schemas) })
    let count = 0
    for (const { operationId, requestBody } of operations) {
      for (const { schema, example } of Object.values(requestBody?.content ?? {})) {
        if (example === undefined) continue
        count += 1
        expect([operationId, ajv.validate(local(schema), example), ajv.errors]).toEqual([
          operationId,
          true,
          null,
        ])
      }
    }
    expect(count).toBeGreaterThan(10)
  })

  test('lets no reply hold a field that is not declared, the open ones aside', () => {
    const open: string[] = []
    const visit = (value: unknown, at: string): void => {
      if (Array.isArray(value)) for (const item of value) visit(item, at)
      if (typeof value !== 'object' || value === null) return
      if ('properties' in value && (value as JsonSchema).additionalProperties !== false) {
        open.push(at)
      }
      for (const held of Object.values(value)) visit(held, at)
    }
    const requests = new Set(
      operations
        .flatMap(({ requestBody }) => Object.values(requestBody?.content ?? {}))
        .map(({ schema }) => schema.$ref?.split('/').at(-1)),
    )
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      if (!requests.has(name)) visit(schema, name)
    }
    expect([...new Set(open)].sort()).toEqual([
      'AccessControlRequest',
      'Group', // these for `$ref`, a property that programs take for a reference
      'Me',
      'ServerStatus',
      'ServicePrincipal',
      'User',
    ])
  })

  test('says of every refusal what it is, and knows every code', () => {
    expect(document.components.schemas.ErrorCode?.enum).toEqual(Object.keys(codes))
    for (const { responses, security } of operations) {
      expect(Object.keys(responses)).toContain('500')
      expect('401' in responses).toBe(security === undefined)
    }
  })

  test('is served, itself included', async () => {
    const { send } = recordedApi()
    const { status, json } = await send('GET', '/api/openapi.json')
    expect(status).toBe(200)
    expect(json).toEqual(JSON.parse(JSON.stringify(apiDocument('0.1.0'))))
    expect(Object.keys(document.paths)).toContain('/api/openapi.json')
  })
})

test('OAuth is among the ways in as soon as no route says that there is none', async () => {
  const withoutNotice = declaredRoutes('0').filter(({ path }) => path !== '/oidc/v1/token')
  const issuing = describeApi(withoutNotice, '0')
  expect(issuing.security).toEqual([{ accessToken: [] }, { oauth: ['all-apis'] }])
  const validator = new Validator()
  expect(await validator.validate(JSON.parse(JSON.stringify(issuing)))).toEqual({ valid: true })
})

describe('two schemas of one name', () => {
  const answering = (name: string, reply: z.ZodType) =>
    route({
      method: 'GET',
      path: `/${name}`,
      summary: name,
      operationId: name,
      tag: 'Server',
      access: 'public',
      reply: { 200: reply },
      handle: () => ok({}),
    })

  test('are refused, unless they are the same', () => {
    const one = answering('one', z.strictObject({ a: z.string() }).meta({ id: 'Thing' }))
    const same = answering('same', z.strictObject({ a: z.string() }).meta({ id: 'Other' }))
    expect(() => describeApi([one, same], '0')).not.toThrow()
    // zod's own registry lets a second schema take the name over, so this is made by hand.
    const output = answering('output', z.object({ a: z.string() }).meta({ id: 'Both' }))
    const input = {
      ...answering('input', z.strictObject({})),
      body: { schema: output.reply[200] as z.ZodType },
    }
    expect(() => describeApi([output, input], '0')).toThrow('two schemas are called Both')
  })
})
