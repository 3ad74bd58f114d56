/**
 * `globalSetup` of vitest and jest with nothing to say but what lakelet.toml says. Vitest ends the pool by the function that it
 * gets, jest by a file of its own.
 */
import { setUp } from './testing.ts'

const key = Symbol.for('@lakelet/testing')
const place = globalThis as { [key]?: () => Promise<void> }

export default async function setup(): Promise<() => Promise<void>> {
  const ending = await setUp()
  place[key] = ending
  return ending
}

export const end = async (): Promise<void> => {
  await place[key]?.()
}
