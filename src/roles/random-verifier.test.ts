/** The verifier is RFC 5803's: checked against the exchange of RFC 7677 §3. */
import { expect, test } from 'vitest'
import { randomVerifier, verifierOf } from './random-verifier.ts'

test('a verifier is what the example of RFC 7677 leads to', async () => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
  expect(await verifierOf('pencil', salt)).toBe(
    'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
  )
})

test('no two are alike', async () => {
  const made = new Set(await Promise.all(Array.from({ length: 20 }, randomVerifier)))
  expect(made.size).toBe(20)
})
