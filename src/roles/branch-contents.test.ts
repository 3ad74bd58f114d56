import { describe, expect, test } from 'vitest'
import { epochMs } from '../lib/time.ts'
import { planContents, type SeenDatabase, type SeenRole } from './branch-contents.ts'
import { broadRole, markers } from './role-names.ts'

const now = epochMs(1000)
const role = (oid: number, name: string, more: Partial<SeenRole> = {}): SeenRole => ({
  oid,
  name,
  canLogin: true,
  createdb: false,
  createrole: false,
  bypassrls: false,
  memberOf: [],
  isManager: false,
  label: null,
  ...more,
})
const database = (oid: number, name: string, owner: number, label?: object): SeenDatabase => ({
  oid,
  name,
  owner,
  label: label === undefined ? null : JSON.stringify(label),
})
const label = (id: string, more: object = {}) =>
  JSON.stringify({ id, create: 1, update: 2, ...more })
const plan = (
  roles: readonly SeenRole[],
  databases: readonly SeenDatabase[] = [],
  creator?: string,
) => planContents({ roles, databases, settledFor: null, stale: [] }, { now, creator })

describe('ids', () => {
  test('that are written down stay, whatever the name is now', () => {
    const { contents, writes } = plan([role(1, 'renamed', { label: label('first') })])
    expect(contents.roles).toMatchObject([
      { roleId: 'first', postgresRole: 'renamed', createTime: 1, updateTime: 2 },
    ])
    expect(writes).toEqual([])
  })

  test('that are missing are made from the names, and never one that is taken', () => {
    const { contents, writes } = plan([
      role(1, 'app'),
      role(2, 'App'),
      role(3, 'x', { label: label('app') }),
    ])
    const ids = contents.roles.map(({ roleId }) => roleId)
    expect(ids[2]).toBe('app')
    expect(new Set(ids).size).toBe(3)
    expect(writes.map(({ oid, label: { id, create } }) => [oid, id, create])).toEqual([
      [1, ids[0], now],
      [2, ids[1], now],
    ])
  })

  test('that two have, or that cannot be read, are made anew', () => {
    const { contents } = plan([
      role(1, 'a', { label: label('same') }),
      role(2, 'b', { label: label('same') }),
      role(3, 'c', { label: '{' }),
      role(4, 'd', { label: '{"id": 7}' }),
    ])
    expect(contents.roles.map(({ roleId }) => roleId)).toEqual(['same', 'b', 'c', 'd'])
  })
})

test('kinds and rights come from Postgres', () => {
  const { contents } = plan([
    role(1, 'a@x', { memberOf: [markers.USER, broadRole], createdb: true }),
    role(2, 's', { memberOf: [markers.SERVICE_PRINCIPAL] }),
    role(3, 'g', { memberOf: [markers.GROUP], canLogin: false }),
  ])
  expect(contents.roles).toMatchObject([
    { roleId: 'a', identityType: 'USER', isSuperuserMember: true, attributes: { createdb: true } },
    { roleId: 'sp-s', identityType: 'SERVICE_PRINCIPAL', isSuperuserMember: false },
    { roleId: 'g', identityType: 'GROUP', canLogin: false },
  ])
})

describe('the owner of a database', () => {
  const shared = 99 // no role that is shown
  const roles = [role(1, 'ana', { label: label('ana') }), role(2, 'bo', { label: label('bo') })]
  const owner = (seen: SeenDatabase, creator?: string) => {
    const { contents, writes } = plan(roles, [seen], creator)
    return [contents.databases[0]?.ownerId, writes[0]?.label.owner]
  }

  test('is the one that Postgres has, which is written down', () => {
    expect(owner(database(5, 'd', 2))).toEqual(['bo', 2])
    expect(owner(database(5, 'd', 2, { id: 'd', create: 1, update: 1, owner: 1 }))).toEqual([
      'bo',
      2,
    ])
    expect(owner(database(5, 'd', 2, { id: 'd', create: 1, update: 1, owner: 2 }))).toEqual([
      'bo',
      undefined,
    ])
  })

  test('is the one that was written down when the shared owner has it', () => {
    expect(
      owner(database(5, 'd', shared, { id: 'd', create: 1, update: 1, owner: 1 }), 'bo'),
    ).toEqual(['ana', undefined])
  })

  test('is who made the branch when nothing else is known, and nobody when that one is not there', () => {
    expect(owner(database(5, 'd', shared), 'bo')).toEqual(['bo', 2])
    expect(
      owner(database(5, 'd', shared, { id: 'd', create: 1, update: 1, owner: 7 }), 'bo'),
    ).toEqual(['bo', 2])
    expect(owner(database(5, 'd', shared), 'nobody')).toEqual([undefined, undefined])
  })
})
