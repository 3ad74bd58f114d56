/**
 * The soak as a test: most of a minute of it, or as long as `npm run soak -- --minutes 30` says. A failure prints
 * how to run it again.
 */
import { expect, test } from 'vitest'
import { whyNoImages } from '../fixtures/loop-image.ts'
import { soak } from './soak.ts'
import { writeResult } from './write-result.ts'

const seed = Number(process.env.LAKELET_SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31))
const seconds = Number(process.env.LAKELET_SOAK_SECONDS ?? 45)
/** Where the result is kept, of a long one. */
const resultsFile = process.env.LAKELET_SOAK_RESULTS
const missing = whyNoImages('btrfs')

test.skipIf(missing !== undefined)(
  'branches under writers, random actions and random faults hold exactly what was done on them',
  async () => {
    const again = `npm run soak -- --minutes ${seconds / 60} --seed ${seed}`
    console.info(`seed ${seed}`)
    const result = await soak({ seed, seconds, poolSize: seconds > 300 ? '12GB' : '3GB' })
    if (resultsFile !== undefined) writeResult(resultsFile, seed, seconds, result)
    const { problems, tally } = result
    const told = [...tally].sort().map(([what, times]) => `${times} × ${what}`)
    console.info(`seed ${seed}:\n  ${told.join('\n  ')}`)
    expect(problems, again).toEqual([])
  },
  (seconds + 1200) * 1000,
)
