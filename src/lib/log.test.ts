import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createLog } from './log.ts'

test.skipIf(!existsSync('/dev/full'))('a full disk under the log hurts nobody who logs', () => {
  const log = createLog('test', '/dev/full')
  for (let n = 0; n < 3000; n += 1) log.info({ filler: 'x'.repeat(1000) }, 'no room')
  expect(() => log.error({ err: new Error('boom') }, 'no room')).not.toThrow()
})
