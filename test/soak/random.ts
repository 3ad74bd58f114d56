/** Random choices that a seed repeats, in a stream of its own for each who chooses. */

export interface Random {
  /** From 0, below 1. */
  next(): number
  /** From 0, below `end`. */
  below(end: number): number
  chance(share: number): boolean
  /** `undefined` of none. */
  pick<T>(choices: readonly T[]): T | undefined
  weighted<T extends { readonly weight: number }>(choices: readonly T[]): T | undefined
}

/** The name keeps one stream from moving another: how often a writer chose changes no action. */
export function randomOf(seed: number, name: string): Random {
  let state = seed >>> 0
  for (const char of name) state = Math.imul(state ^ char.charCodeAt(0), 0x01000193) >>> 0
  /** mulberry32: https://github.com/cprosche/mulberry32 (public domain). */
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number): number => Math.floor(next() * end)
  return {
    next,
    below,
    chance: (share) => next() < share,
    pick: (choices) => choices[below(choices.length)],
    weighted(choices) {
      let rest = next() * choices.reduce((sum, { weight }) => sum + weight, 0)
      return choices.find(({ weight }) => {
        rest -= weight
        return rest < 0
      })
    },
  }
}
