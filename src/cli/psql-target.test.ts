import { describe, expect, test } from 'vitest'
import { readTarget } from './psql-target.ts'

describe('what psql is pointed at', () => {
  test.each([
    ['projects/p/branches/b/endpoints/e', { project: 'p', branch: 'b', endpoint: 'e' }],
    ['projects/p/branches/b', { project: 'p', branch: 'b' }],
    ['projects/p', { project: 'p' }],
    ['p/b', { project: 'p', branch: 'b' }],
    ['b', { branch: 'b' }],
    [undefined, {}],
  ])('%s', (text, target) => {
    expect(readTarget(text, {})).toEqual(target)
  })

  test('flags fill what the target leaves open', () => {
    expect(readTarget('dev', { project: 'p' })).toEqual({ project: 'p', branch: 'dev' })
    expect(readTarget(undefined, { branch: 'dev' })).toEqual({ branch: 'dev' })
  })

  test('a target and a flag that disagree are refused', () => {
    expect(() => readTarget('p/b', { project: 'q' })).toThrow('TARGET says project p')
  })

  test.each(['p/b/c', '/b', 'p/', 'projects/p/branches/', ''])('%j names no branch', (text) => {
    expect(() => readTarget(text, {})).toThrow('names no branch')
  })
})
