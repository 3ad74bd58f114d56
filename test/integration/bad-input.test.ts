/**
 * Bad input in every field of every operation, as the API document that the server serves has them. It
 * is refused in the contract's form, in a sentence of the registry that the document lists for the
 * operation and that names the field; and nothing has changed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { apiDocument } from '../../src/api/create-api.ts'
import { type ApiDocument, replyOf } from '../../src/api/document.ts'
import { errorBody } from '../../src/api/error-body.ts'
import { type Reply, TestServer } from '../fixtures/server.ts'
import {
  badCalls,
  badMasks,
  bodySchema,
  type Call,
  goodBody,
  type Operation,
  type Places,
} from './bad-input/calls.ts'
import { fieldsOf, resolver, type Schema, withValue } from './bad-input/request-fields.ts'
import { everything, localNames, populate } from './bad-input/world.ts'

const postgres = '/api/2.0/postgres'
const primary = 'branches/production/endpoints/primary'

/** Takes whatever comes: a client that reports something is never told off for it. */
const lenient = ['sendTelemetry']

const operations = operationsOf(apiDocument('0')).filter(
  ({ operationId }) => !lenient.includes(operationId),
)
const resolve = resolver(apiDocument('0').components.schemas as Readonly<Record<string, Schema>>)

const backups = mkdtempSync(join(tmpdir(), 'lakelet-backups-'))
let server: TestServer
let served: ApiDocument
let places: Places
let seen: unknown

beforeAll(async () => {
  server = await TestServer.start()
  served = (await server.api('GET', '/api/openapi.json')).body
  places = await populate(server)
  seen = await everything(server)
})
afterAll(async () => {
  await server?.dispose()
  rmSync(backups, { recursive: true, force: true })
})

/** Compared after each operation, and so read once for each. */
async function expectNothingNew(): Promise<void> {
  const before = seen
  seen = await everything(server)
  expect(seen).toEqual(before)
}

function operationsOf({ paths }: ApiDocument): readonly Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      path,
    })),
  )
}

test('the operations tried are those that the server serves', () => {
  const ids = (all: readonly Operation[]) => all.map(({ operationId }) => operationId)
  expect([...ids(operations), ...lenient].sort()).toEqual([...ids(operationsOf(served))].sort())
})

test.each(operations.map((operation) => [operation.operationId, operation] as const))(
  '%s refuses what it cannot take, and changes nothing',
  async (_, operation) => {
    const good = goodOf(operation)
    const calls = [
      ...badCalls(operation, resolve, good),
      ...badMasks(operation, good, fixedAtCreation(operation)),
    ]
    const wrong = await inLanes(calls, async (call) => {
      const reply = await server.api(operation.method, call.path, call.body)
      const problem = problemOf(operation, call, reply)
      return problem && `${call.told}: ${problem}: ${JSON.stringify(reply.body)?.slice(0, 300)}`
    })
    expect(wrong.filter((problem) => problem !== undefined)).toEqual([])
    if (calls.length > 0) await expectNothingNew()
  },
)

test.each([
  ['branches/production', { ttl: '60s', no_expiry: true }, 'spec.expiration'],
  ['branches/production', { ttl: '60s', no_expiry: true }, 'spec.ttl,spec.no_expiry'],
  ['branches/production', { ttl: '60s', expire_time: '2030-01-01T00:00:00Z' }, 'spec'],
  ['branches/production', { no_expiry: false }, 'spec.no_expiry'],
  [primary, { no_suspension: true, suspend_timeout_duration: '60s' }, 'spec.suspension'],
  [primary, { no_suspension: true, suspend_timeout_duration: '60s' }, 'spec.no_suspension'],
  [primary, { no_suspension: false }, 'spec.suspension'],
  [primary, { autoscaling_limit_min_cu: 4, autoscaling_limit_max_cu: 2 }, '*'],
  [primary, { autoscaling_limit_min_cu: 1, autoscaling_limit_max_cu: 40 }, 'spec'],
])('fields of %s that contradict each other: %o by %s', async (resource, spec, mask) => {
  const path = `${postgres}/projects/store/${resource}`
  const before = (await server.api('GET', path)).body
  const reply = await server.api('PATCH', `${path}?update_mask=${mask}`, { spec })
  expect([reply.status, reply.body.error_code]).toEqual([400, 'INVALID_PARAMETER_VALUE'])
  expect(errorBody.safeParse(reply.body).error).toBeUndefined()
  expect(reply.body.message).toMatch(new RegExp(Object.keys(spec).join('|')))
  expect((await server.api('GET', path)).body.update_time).toBe(before.update_time)
})

test('pages: none is negative, and one of any size is at most what there is', async () => {
  const lists = operations.filter(({ parameters = [] }) =>
    parameters.some(({ name }) => name === 'page_size'),
  )
  expect(lists.length).toBeGreaterThan(5)
  for (const operation of lists) {
    const { places: found } = goodOf(operation)
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => found[name] ?? '')
    const whole = await server.api('GET', path)
    const huge = await server.api('GET', `${path}?page_size=2147483647&page_token=`)
    expect([huge.status, huge.body.error_code], path).toEqual([whole.status, whole.body.error_code])
  }
})

/** Refused on these resources, once the body has been read. */
const judgedLater: Readonly<Record<string, RegExp>> = {
  resetBranch: /has no source branch/,
  restoreBackup: /already exists/,
  noteBindingFindings: /binding '.*' not found/,
  collectBranch: /is not collected/,
}

test('null is the same as absent, in every field that may be', async () => {
  const before = await everything(server)
  for (const operation of operations) {
    const schema = bodySchema(operation)
    if (schema === undefined || !operation.path.startsWith(postgres)) continue
    if (operation.responses[501] !== undefined) continue
    const { places: found, body } = goodOf(operation)
    const nulled = fieldsOf(schema, resolve)
      .filter(({ path }) => path.every((step) => typeof step === 'string'))
      .filter(({ path, isRequired }) => !isRequired && !isThere(body, path))
      .reduce((at: unknown, { path }) => withValue(at, schema, resolve, path, null), body)
    // A create asks for an id that is taken: that is said once its body has been read.
    const id = operation.parameters?.find(({ name }) => name.endsWith('_id'))?.name
    const query = id === undefined ? '' : `?${id}=${found[id.replace('_id', '')]}`
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => found[name] ?? '')
    const isUpdate = operation.method === 'PATCH'
    const sent = isUpdate ? withoutGood(schema) : nulled
    const reply = await server.api(operation.method, `${path}${query}`, sent)
    const told = `${operation.operationId} ${JSON.stringify(sent)}: ${JSON.stringify(reply.body)}`
    const refusal = id === undefined ? judgedLater[operation.operationId] : /already exists/
    if (refusal !== undefined) expect(reply.body.message, told).toMatch(refusal)
    else expect(reply.status, told).toBe(200)
    if (reply.body.metadata !== undefined) await server.follow(reply.body.name)
  }
  expect(withoutTimes(await everything(server))).toEqual(withoutTimes(before))
})

/** Nothing but nulls. */
const withoutGood = (schema: Schema): unknown =>
  fieldsOf(schema, resolve)
    .filter(({ path }) => path.length > 1 && path.every((step) => typeof step === 'string'))
    .reduce((at: unknown, { path }) => withValue(at, schema, resolve, path, null), {})

const isThere = (body: unknown, path: readonly (string | number)[]): boolean => {
  let at = body
  for (const step of path) at = (at as Record<string, unknown> | undefined)?.[step]
  return at !== undefined
}

/** An update that changed nothing is one all the same. */
const withoutTimes = (seen: unknown): unknown =>
  JSON.parse(JSON.stringify(seen, (key, value) => (key === 'update_time' ? undefined : value)))

/** Eight at a time. */
async function inLanes<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const queue = [...items.entries()]
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      results[next[0]] = await run(next[1])
    }
  }
  await Promise.all(Array.from({ length: 8 }, lane))
  return results
}

function goodOf(operation: Operation) {
  const found = places(operation)
  const local = localNames(found.role ?? '', backups)
  return { places: found, body: goodBody(operation, resolve, local) }
}

/** What a create takes and the update of the same resource does not. */
function fixedAtCreation(update: Operation): readonly string[] {
  const create = operations.find(
    ({ method, path }) => method === 'POST' && path === update.path.replace(/\/\{\w+\}$/, ''),
  )
  const paths = (operation: Operation | undefined) => {
    const schema = operation && bodySchema(operation)
    return schema === undefined ? [] : fieldsOf(schema, resolve).map(({ path }) => path.join('.'))
  }
  const changeable = new Set(paths(update))
  return paths(create).filter((path) => path.startsWith('spec.') && !changeable.has(path))
}

function problemOf(operation: Operation, call: Call, { status, body }: Reply): string | undefined {
  if (status < 400) return call.mayPass ? undefined : `accepted with ${status}`
  if (status >= 500 && status !== 501) return `answered ${status}`
  const read = errorBody.safeParse(body)
  if (!read.success) return `not the error body: ${read.error.message}`
  const { error_code: code, message, details } = read.data
  const refusals = refusalsOf(operation, status)
  if (!refusals.some((refusal) => refusal.code === code && refusal.say.test(message))) {
    return 'not among the refusals that the document lists'
  }
  const said = [message, ...details.map((detail) => ('message' in detail ? detail.message : ''))]
  return status === 501 || call.names.some((name) => said.join(' ').includes(name))
    ? undefined
    : `does not name ${call.names.join(' or ')}`
}

/** From the document: a line for each, its places for facts left open. */
function refusalsOf({ path, method }: Operation, status: number) {
  const declared = served.paths[path]?.[method.toLowerCase()]?.responses[status]
  if (declared === undefined) return []
  return replyOf(served, declared)
    .description.split('\n')
    .flatMap((line) => {
      const [, code, say] = /^- `(\w+)`: (.*)$/.exec(line) ?? []
      if (code === undefined || say === undefined) return []
      const text = say.split(/\{\w+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      return [{ code, say: new RegExp(`^${text.join('.*')}`, 's') }]
    })
}
