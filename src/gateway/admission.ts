/**
 * How many strangers may be here at once, in all and from one address. A place is taken at accept
 * and given back at the proof or at the end, whichever comes first.
 */
import type { GatewayLimits } from './limits.ts'

export interface Place {
  /** May be called more than once. */
  leave(): void
}

export class Admission {
  readonly #limits: Pick<GatewayLimits, 'strangers' | 'strangersPerAddress'>
  readonly #perAddress = new Map<string, number>()
  #total = 0

  constructor(limits: Pick<GatewayLimits, 'strangers' | 'strangersPerAddress'>) {
    this.#limits = limits
  }

  get strangers(): number {
    return this.#total
  }

  /** `undefined`: too many are here. */
  enter(address: string): Place | undefined {
    const here = this.#perAddress.get(address) ?? 0
    if (this.#total >= this.#limits.strangers || here >= this.#limits.strangersPerAddress) {
      return undefined
    }
    this.#total += 1
    this.#perAddress.set(address, here + 1)
    let hasLeft = false
    return {
      leave: () => {
        if (hasLeft) return
        hasLeft = true
        this.#total -= 1
        const others = (this.#perAddress.get(address) ?? 1) - 1
        if (others === 0) this.#perAddress.delete(address)
        else this.#perAddress.set(address, others)
      },
    }
  }
}
