/**
 * Slows down guessing: after a few failures from one address for one role, each further attempt
 * waits a little before it is judged. Gentle on purpose: on loopback everyone shares the address.
 */
import type { Clock } from '../lib/time.ts'
import type { GatewayLimits } from './limits.ts'

/** More pairs than this are not remembered; the oldest go first. */
const maxRemembered = 10_000

interface Failures {
  count: number
  lastAt: number
}

export class LoginThrottle {
  readonly #limits: Pick<GatewayLimits, 'freeFailures' | 'failureDelay' | 'failureMemory'>
  readonly #clock: Clock
  readonly #failures = new Map<string, Failures>()

  constructor(
    limits: Pick<GatewayLimits, 'freeFailures' | 'failureDelay' | 'failureMemory'>,
    clock: Clock,
  ) {
    this.#limits = limits
    this.#clock = clock
  }

  async wait(address: string, role: string): Promise<void> {
    const failures = this.#failures.get(keyOf(address, role))
    if (failures === undefined || failures.count < this.#limits.freeFailures) return
    const age = this.#clock.monotonic() - failures.lastAt
    if (age < this.#limits.failureMemory) await this.#clock.sleep(this.#limits.failureDelay)
  }

  failed(address: string, role: string): void {
    const key = keyOf(address, role)
    const now = this.#clock.monotonic()
    const before = this.#failures.get(key)
    const isRecent = before !== undefined && now - before.lastAt < this.#limits.failureMemory
    this.#failures.delete(key)
    this.#failures.set(key, { count: isRecent ? before.count + 1 : 1, lastAt: now })
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= maxRemembered) break
      this.#failures.delete(oldest)
    }
  }

  succeeded(address: string, role: string): void {
    this.#failures.delete(keyOf(address, role))
  }
}

/** A role name is as long as a client likes; what is remembered of it is not. */
const keyOf = (address: string, role: string): string => `${address} ${role.slice(0, 100)}`
