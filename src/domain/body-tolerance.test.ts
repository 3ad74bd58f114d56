import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { tolerateBody } from './body-tolerance.ts'
import { Fault } from './faults.ts'

const branch = {
  wrapper: 'branch',
  specAliases: { source_branch_id: 'source_branch' },
} as const

const reasonOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (error instanceof Fault) return error.reason
    throw error
  }
  return 'nothing'
}

describe('bodies that are not quite the contract', () => {
  test.each([
    ['the bare resource stays', { spec: { ttl: '6h' } }, { spec: { ttl: '6h' } }],
    ['a wrapper is taken off', { branch: { spec: { ttl: '6h' } } }, { spec: { ttl: '6h' } }],
    [
      'a wrapper beside a spec is left alone',
      { spec: { ttl: '6h' }, branch: { spec: {} } },
      { spec: { ttl: '6h' }, branch: { spec: {} } },
    ],
    [
      'a wrapper beside a null spec is taken off',
      { spec: null, branch: { spec: { ttl: '6h' } } },
      { spec: { ttl: '6h' } },
    ],
    ['a wrapper that is no object stays', { branch: 'dev' }, { branch: 'dev' }],
    [
      'camelCase keys are read',
      { spec: { sourceBranch: 'production', noExpiry: true } },
      { spec: { source_branch: 'production', no_expiry: true } },
    ],
    [
      'the contract spelling wins over camelCase',
      { spec: { noExpiry: false, no_expiry: true } },
      { spec: { no_expiry: true } },
    ],
    [
      'null means absent, at any depth',
      { spec: { ttl: null, group: { min: null, max: 1 } }, name: null },
      { spec: { group: { max: 1 } } },
    ],
    [
      'false, 0 and [] are values',
      { spec: { a: false, b: 0, c: [] } },
      { spec: { a: false, b: 0, c: [] } },
    ],
    [
      'source_branch_id means source_branch',
      { spec: { source_branch_id: 'dev' } },
      { spec: { source_branch_id: 'dev', source_branch: 'dev' } },
    ],
    [
      'sourceBranchId does as well, inside a wrapper too',
      { branch: { spec: { sourceBranchId: 'dev' } } },
      { spec: { source_branch_id: 'dev', source_branch: 'dev' } },
    ],
    [
      'source_branch wins over source_branch_id',
      { spec: { source_branch_id: 'a', source_branch: 'b' } },
      { spec: { source_branch_id: 'a', source_branch: 'b' } },
    ],
    [
      'names of Postgres settings are data',
      { spec: { settings: { pgSettings: { workMem: '4MB', work_mem: '8MB' } } } },
      { spec: { settings: { pg_settings: { workMem: '4MB', work_mem: '8MB' } } } },
    ],
  ])('%s', (_, sent, read) => {
    expect(tolerateBody(sent, branch)).toEqual(read)
  })

  test('keys of SCIM stay camelCase', () => {
    expect(tolerateBody({ userName: 'a@b.c', x: null }, { keepsNames: true })).toEqual({
      userName: 'a@b.c',
    })
  })

  test('__proto__ is an ordinary key that changes nothing', () => {
    const read = tolerateBody(JSON.parse('{"__proto__": {"spec": {"ttl": "1s"}}}'), branch)
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype)
    expect(read.spec).toBeUndefined()
  })

  test.each([
    ['a NUL in a value', { spec: { display_name: 'a\u0000b' } }],
    ['a NUL in a key', { spec: { 'a\u0000b': 1 } }],
    ['half a surrogate pair', { spec: { display_name: 'a\ud83d' } }],
  ])('%s is refused', (_, body) => {
    expect(reasonOf(() => tolerateBody(body))).toBe('FIELD_INVALID')
  })

  test('an emoji is text', () => {
    expect(tolerateBody({ spec: { display_name: 'a 🦆' } })).toEqual({
      spec: { display_name: 'a 🦆' },
    })
  })

  test('nesting without end is refused, however deep', () => {
    const deep = JSON.parse(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)
    expect(reasonOf(() => tolerateBody(deep))).toBe('BODY_NOT_JSON')
  })

  test('what is read is read the same again', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (body) => {
        let once: ReturnType<typeof tolerateBody>
        try {
          once = tolerateBody(body)
        } catch (error) {
          expect(error).toBeInstanceOf(Fault)
          return
        }
        expect(tolerateBody(once)).toEqual(once)
      }),
    )
  })
})
