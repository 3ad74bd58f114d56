/** Places for strangers never leak and are never overdrawn. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Admission, type Place } from './admission.ts'

test('whatever comes and goes, the bounds hold and every place comes back', () => {
  const event = fc.oneof(
    fc.record({ enter: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ leave: fc.nat(30) }),
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 100 }), (events) => {
      const admission = new Admission({ strangers: 5, strangersPerAddress: 3 })
      const here = new Map<Place, string>()
      const everyone: Place[] = []
      for (const one of events) {
        if ('enter' in one) {
          const before = [...here.values()]
          const same = before.filter((address) => address === one.enter).length
          const place = admission.enter(one.enter)
          expect(place !== undefined).toBe(before.length < 5 && same < 3)
          if (place !== undefined) {
            here.set(place, one.enter)
            everyone.push(place)
          }
        } else {
          const place = everyone[one.leave] // may have left before: leaving twice is nothing
          place?.leave()
          if (place !== undefined) here.delete(place)
        }
        expect(admission.strangers).toBe(here.size)
      }
      for (const place of everyone) place.leave()
      expect(admission.strangers).toBe(0)
    }),
  )
})
