import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fault } from '../domain/faults.ts'
import { readFilter } from './scim-filter.ts'

const jane = {
  schemas: ['x'],
  id: '100',
  userName: 'Jane.Doe@example.com',
  displayName: 'Jane "JD" Doe',
  active: true,
  name: { givenName: 'Jane' },
  emails: [{ value: 'jane@work.example', type: 'work', primary: true }],
  groups: [
    { display: 'admins', value: '1' },
    { display: 'team', value: '2' },
  ],
}

describe('a filter', () => {
  test.each([
    'userName eq "jane.doe@example.com"',
    'USERNAME EQ "JANE.DOE@EXAMPLE.COM"',
    'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "jane.doe@example.com"',
    'id eq "100"',
    'userName sw "jane"',
    'userName co "doe@"',
    'userName ew ".com"',
    'displayName eq "Jane \\"JD\\" Doe"',
    'active eq true',
    'not (active eq false)',
    'name.givenName eq "jane"',
    'emails eq "jane@work.example"',
    'emails.value co "work"',
    'emails[type eq "work" and value co "jane"]',
    'groups.display eq "team"',
    'groups eq "1"',
    'externalId eq null',
    'not (externalId pr)',
    'displayName pr',
    'userName ne "joe"',
    'userName eq "joe" or displayName co "JD"',
    'userName sw "j" and (active eq false or groups.display eq "admins")',
    'userName ge "a" and userName lt "z"',
  ])('%s matches', (text) => {
    expect(readFilter(text)(jane)).toBe(true)
  })

  test.each([
    'userName eq "jane"',
    'userName eq "jane" or userName eq "joe"',
    'userName sw "j" and active eq false',
    'active eq "true"',
    'groups.display eq "nobody"',
    'emails[type eq "home"]',
    'emails.primary eq false',
    'externalId pr',
    'externalId eq "x"',
    'userName ne "jane.doe@example.com"',
    // What an injection would look like is a value like any other.
    `userName eq "' or 1=1 --"`,
    'userName eq "%"',
  ])('%s does not', (text) => {
    expect(readFilter(text)(jane)).toBe(false)
  })

  test.each([
    '',
    'userName',
    'userName eq',
    'userName eq jane',
    'userName = "jane"',
    `userName eq 'jane'`,
    'userName eq "jane',
    'userName eq "jane" or',
    'userName eq "jane" or 1=1',
    'userName eq "jane"); drop table identities; --',
    '(userName eq "jane"',
    'userName eq "jane") or (active eq true',
    'password eq "x"',
    'hash pr',
    '__proto__ pr',
    'constructor.name eq "Object"',
    'groups[hash pr]',
    'userName like "%"',
    'userName eq {"$gt": ""}',
    `${'('.repeat(400)}active eq true`,
  ])('%j is refused', (text) => {
    expect(() => readFilter(text)).toThrowError(
      expect.objectContaining({ reason: 'SCIM_FILTER_INVALID' }),
    )
  })

  test('of any text is read or refused, and never anything else', () => {
    const word = fc.constantFrom(
      'userName',
      'eq',
      '"x"',
      'and',
      'or',
      'not',
      '(',
      ')',
      '[',
      ']',
      'emails',
      '.value',
      'true',
      'null',
      '1e5',
      '\\',
      '"',
    )
    const texts = fc.oneof(
      fc.string(),
      fc.array(word).map((words) => words.join(' ')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        try {
          expect(typeof readFilter(text)(jane)).toBe('boolean')
        } catch (error) {
          expect(error).toBeInstanceOf(Fault)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
