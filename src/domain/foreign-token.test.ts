import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeForeignToken } from './foreign-token.ts'

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const jwt = (header: object, payload: object) => `${part(header)}.${part(payload)}.c2ln`
const own = 'https://here.example/oidc'

test.each([
  ['opaque', 'abc', /unknown/],
  ['three parts of nothing', 'a.b.c', /unknown/],
  ['JSON that is no object', `${Buffer.from('1').toString('base64url')}.e30.x`, /unknown/],
  ['unsigned', jwt({ alg: 'none' }, { iss: own }), /without a signature/],
  ['unsigned in other letters', jwt({ alg: 'NoNe' }, {}), /without a signature/],
  ['of another issuer', jwt({ alg: 'ES256' }, { iss: 'https://there.example' }), /another issuer/],
  ['in our name', jwt({ alg: 'ES256' }, { iss: own }), /forged, or an ID token/],
  [
    'a credential',
    jwt({ alg: 'ES256', typ: 'lakelet-credential+jwt' }, { iss: own }),
    /for Postgres/,
  ],
])('a token that is %s', (_, token, words) => {
  expect(describeForeignToken(token, [own])).toMatch(words)
})

test('any text at all gets a sentence, and is not repeated in it', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 12, maxLength: 300 }), (text) => {
      expect(describeForeignToken(text, [own])).not.toContain(text)
    }),
  )
})
