import { describe, expect, test } from 'vitest'
import { applyPatch, type PatchOperation } from './scim-patch.ts'

const group = {
  id: '300',
  displayName: 'team',
  members: [
    { display: 'Jane', value: '100' },
    { display: 'robot', value: '200' },
  ],
}
const user = { id: '100', userName: 'a@b.c', active: true, name: { givenName: 'Jane' } }

const patched = (resource: object, ...operations: PatchOperation[]) =>
  applyPatch(resource as Record<string, unknown>, operations)
const idsOf = (resource: Readonly<Record<string, unknown>>) =>
  (resource.members as { value: string }[]).map(({ value }) => value)

describe('members', () => {
  const after = (operation: PatchOperation) => idsOf(patched(group, operation))

  test.each<[PatchOperation, readonly string[]]>([
    [{ op: 'add', path: 'members', value: [{ value: '400' }] }, ['100', '200', '400']],
    [{ op: 'add', path: 'members', value: [{ value: '100' }] }, ['100', '200']],
    [{ op: 'add', path: 'members', value: { value: '400' } }, ['100', '200', '400']],
    [{ op: 'add', path: 'Members', value: ['400'] }, ['100', '200', '400']],
    [{ op: 'add', value: { members: [{ value: '400' }] } }, ['100', '200', '400']],
    [{ op: 'remove', path: 'members[value eq "100"]' }, ['200']],
    [{ op: 'remove', path: 'members[value eq "999"]' }, ['100', '200']],
    [{ op: 'remove', path: 'members', value: [{ value: '200' }] }, ['100']],
    [{ op: 'remove', path: 'members' }, []],
    [{ op: 'replace', path: 'members', value: [{ value: '400' }] }, ['400']],
    [{ op: 'replace', value: { members: [] } }, []],
    [
      {
        op: 'add',
        path: 'urn:ietf:params:scim:schemas:core:2.0:Group:members',
        value: [{ value: '400' }],
      },
      ['100', '200', '400'],
    ],
  ])('%j', (operation, ids) => {
    expect(after(operation)).toEqual(ids)
  })

  test('several operations come one after another, and the resource itself stays as it was', () => {
    const ids = idsOf(
      patched(
        group,
        { op: 'remove', path: 'members' },
        { op: 'add', path: 'members', value: [{ value: '7' }] },
      ),
    )
    expect(ids).toEqual(['7'])
    expect(idsOf(group)).toEqual(['100', '200'])
  })
})

describe('attributes', () => {
  test.each<[PatchOperation, object]>([
    [{ op: 'replace', path: 'active', value: false }, { active: false }],
    [{ op: 'replace', path: 'active', value: 'False' }, { active: false }],
    [{ op: 'add', path: 'active', value: 'true' }, { active: true }],
    [
      { op: 'replace', value: { active: false, displayName: 'J' } },
      { active: false, displayName: 'J' },
    ],
    [{ op: 'replace', path: 'name.givenName', value: 'Joe' }, { name: { givenName: 'Joe' } }],
    [
      { op: 'add', path: 'name', value: { familyName: 'Doe' } },
      { name: { givenName: 'Jane', familyName: 'Doe' } },
    ],
    [{ op: 'replace', value: { 'name.familyName': 'Doe' } }, { name: { familyName: 'Doe' } }],
    [
      { op: 'add', path: 'entitlements', value: [{ value: 'workspace-access' }] },
      { entitlements: [{ value: 'workspace-access' }] },
    ],
    [{ op: 'replace', value: { id: 'other', schemas: [] } }, { id: '100' }],
  ])('%j', (operation, expected) => {
    expect(patched(user, operation)).toMatchObject(expected)
  })

  test('go with remove', () => {
    expect(patched(user, { op: 'remove', path: 'name.givenName' }).name).toEqual({})
    expect(patched(user, { op: 'remove', path: 'name' }).name).toBeUndefined()
    expect(patched(user, { op: 'replace', path: 'externalId' }).externalId).toBeUndefined()
  })
})

describe('what cannot be done', () => {
  test.each<[PatchOperation, string]>([
    [{ op: 'remove' }, 'SCIM_PATH_INVALID'],
    [{ op: 'replace', path: 'active' }, 'FIELD_REQUIRED'], // the Python SDK loses `false`
    [{ op: 'remove', path: 'active' }, 'FIELD_REQUIRED'],
    [{ op: 'remove', path: 'displayName' }, 'FIELD_REQUIRED'],
    [{ op: 'add', path: 'members' }, 'FIELD_REQUIRED'],
    [{ op: 'add', value: 'x' }, 'FIELD_INVALID'],
    [{ op: 'add', value: ['x'] }, 'FIELD_INVALID'],
    [{ op: 'replace', path: 'password', value: 'x' }, 'SCIM_PATH_INVALID'],
    [{ op: 'replace', path: '__proto__', value: { isAdmin: true } }, 'SCIM_PATH_INVALID'],
    [{ op: 'replace', path: '__proto__.isAdmin', value: true }, 'SCIM_PATH_INVALID'],
    [{ op: 'replace', path: 'name.__proto__', value: {} }, 'SCIM_PATH_INVALID'],
    [{ op: 'replace', path: 'isAdmin', value: true }, 'SCIM_PATH_INVALID'],
    [{ op: 'replace', path: 'members[', value: [] }, 'SCIM_PATH_INVALID'],
    [{ op: 'replace', path: 'x'.repeat(10_000), value: [] }, 'SCIM_PATH_INVALID'],
    [{ op: 'remove', path: 'members[hash pr]' }, 'SCIM_FILTER_INVALID'],
    [{ op: 'remove', path: 'members[value eq "1" or 1=1]' }, 'SCIM_FILTER_INVALID'],
    [{ op: 'replace', path: 'members[value eq "9"]', value: {} }, 'SCIM_NO_TARGET'],
    [{ op: 'add', path: 'members', value: [7] }, 'FIELD_INVALID'],
    [{ op: 'add', path: 'name', value: 'Jane' }, 'FIELD_INVALID'],
  ])('%j', (operation, reason) => {
    expect(() => patched(group, operation)).toThrowError(expect.objectContaining({ reason }))
  })

  test('leaves prototypes alone', () => {
    const evil = JSON.parse('{"op":"add","path":"name","value":{"__proto__":{"polluted":true}}}')
    patched(user, evil)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})
