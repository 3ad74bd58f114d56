import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fault } from './faults.ts'
import {
  branchName,
  endpointName,
  parseBranchId,
  parseBranchName,
  parseEndpointName,
  parseProjectId,
  printable,
} from './names.ts'

const id = fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/)

const refusal = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (error instanceof Fault) return error.reason
    throw error
  }
  return 'accepted'
}

describe('resource names', () => {
  test('what is printed is read back', () => {
    fc.assert(
      fc.property(id, id, id, (project, branch, endpoint) => {
        const path = parseEndpointName(
          `projects/${project}/branches/${branch}/endpoints/${endpoint}`,
        )
        expect(endpointName(path.project, path.branch, path.endpoint)).toBe(
          `projects/${project}/branches/${branch}/endpoints/${endpoint}`,
        )
        expect(parseBranchName(branchName(path.project, path.branch))).toEqual({ project, branch })
      }),
    )
  })

  test('any text is a name or a refusal, never a surprise', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(['accepted', 'ID_INVALID', 'FIELD_REQUIRED']).toContain(
          refusal(() => parseBranchId(text)),
        )
        expect(['accepted', 'NAME_INVALID', 'ID_INVALID', 'FIELD_REQUIRED']).toContain(
          refusal(() => parseBranchName(text)),
        )
      }),
    )
  })

  test.each([
    ['a', 'accepted'],
    ['a'.repeat(63), 'accepted'],
    ['', 'FIELD_REQUIRED'],
    ['a'.repeat(64), 'ID_INVALID'],
    ['a'.repeat(10_000), 'ID_INVALID'],
    ['Production', 'ID_INVALID'],
    ['..', 'ID_INVALID'],
    ['a/b', 'ID_INVALID'],
    ['a\u0000b', 'ID_INVALID'],
    ['🦆', 'ID_INVALID'],
    ['1a', 'ID_INVALID'],
    ['a_b', 'ID_INVALID'],
  ])('id %j: %s', (text, expected) => {
    expect(refusal(() => parseProjectId(text))).toBe(expected)
  })
})

test('what a client sent is printed back short and without control characters', () => {
  expect(printable('a\u0000b\n')).toBe('a?b?')
  expect(printable('x'.repeat(10_000))).toHaveLength(100)
})
