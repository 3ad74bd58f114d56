import fc from 'fast-check'
import { expect, test } from 'vitest'
import { branchIdFor } from './branch-id.ts'
import { branchLabel } from './git-worktree.ts'

const idFor = (login: string, branch: string | Uint8Array) =>
  branchIdFor(login, branchLabel(Buffer.from(branch as string)))

test('is a valid id for every login and every name of a branch', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uint8Array({ maxLength: 250 }), (login, name) => {
      expect(idFor(login, name)).toMatch(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/)
    }),
  )
})

test('is for people to read, and its own for whoever looks alike', () => {
  expect(idFor('Ann.Lee@example.com', 'Feature/Pay_Later')).toMatch(
    /^ann-lee-feature-pay-later-[0-9a-f]{6}$/,
  )
  expect(idFor('3f2a9c11-1111-4111-8111-111111111111', 'main')).toMatch(/^sp-3f2a9c11-main-/)
  expect(idFor('007@example.com', 'main')).toMatch(/^u-007-main-/)
  expect(idFor('@', '世界')).toMatch(/^u-[0-9a-f]{6}$/)
  const ids = [
    idFor('ann@one.example', 'a/b'),
    idFor('ann@two.example', 'a/b'),
    idFor('ann@one.example', 'a-b'),
    idFor('ann@one.example', Uint8Array.of(0x61, 0xff)),
    idFor('ann@one.example', Uint8Array.of(0x61, 0xfe)),
  ]
  expect(new Set(ids).size).toBe(ids.length)
})
