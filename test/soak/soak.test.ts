/**
 * The soak as a test: a minute of it, or as long as `npm run soak -- --minutes 30` says. A failure prints
 * how to run it again.
 */
import { expect, test } from 'vitest'
import { whyNoImages } from '../fixtures/loop-image.ts'
import { soak } from './soak.ts'

const seed = Number(process.env.LAKELET_SOAK_SEED ?? Math.floor(Math.random() * 2 ** 31))
const seconds = Number(process.env.LAKELET_SOAK_SECONDS ?? 60)
const missing = whyNoImages('btrfs')

test.skipIf(missing !== undefined)(
  'branches under writers, random actions and random faults hold exactly what was done on them',
  async () => {
    const again = `npm run soak -- --minutes ${seconds / 60} --seed ${seed}`
    console.info(`seed ${seed}`)
    const { problems, tally } = await soak({
      seed,
      seconds,
      poolSize: seconds > 300 ? '12GB' : '3GB',
    })
    const told = [...tally].sort().map(([what, times]) => `${times} × ${what}`)
    console.info(`seed ${seed}:\n  ${told.join('\n  ')}`)
    expect(problems, again).toEqual([])
  },
  (seconds + 600) * 1000,
)
