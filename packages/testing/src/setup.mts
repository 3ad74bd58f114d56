/**
 * `globalSetup` of vitest and jest, and `--test-global-setup` of node (24 and later), with nothing to say but what lakelet.toml
 * says. Vitest ends the pool by the function that it gets, the others by their own teardown.
 */
import { setUp } from './testing.ts'

const key = Symbol.for('@lakelet/testing')
const place = globalThis as { [key]?: () => Promise<void> }

export default async function setup(): Promise<() => Promise<void>> {
  const end = await setUp()
  place[key] = end
  return end
}

export const globalSetup = async (): Promise<void> => {
  await setup()
}

export const globalTeardown = async (): Promise<void> => {
  await place[key]?.()
}
