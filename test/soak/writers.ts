/** Those who write to one branch: each a session of its own, through the gateway, begun anew when it ends. */
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { accounts, checkBalances } from './bank.ts'
import {
  type Isolation,
  type Moment,
  type Transaction,
  valueBy,
  valuesPerTransaction,
} from './history.ts'
import type { Line } from './line.ts'
import type { Random } from './random.ts'
import { type Plan, type PlannedStep, perform, readBalances } from './statements.ts'

export interface WriterContext {
  /** Another id for every transaction of a soak. */
  nextTransaction(): number
  now(): Moment
  connect(): Promise<pg.Client>
  random(writer: number): Random
  /** Something that must not be was seen. */
  problem(what: string): void
  /** The line that the branch has now. */
  line(): Line
}

const isolations: readonly Isolation[] = [
  'serializable',
  'serializable',
  'read committed',
  'read committed',
]

export class Writers {
  readonly #context: WriterContext
  readonly #loops: Promise<void>[]
  #isOver = false
  #gate: Promise<void> = Promise.resolve()
  #open: () => void = () => undefined
  #busy = 0

  /** Four of them, of whom two are serializable. */
  constructor(context: WriterContext) {
    this.#context = context
    this.#loops = isolations.map((isolation, at) => this.#write(isolation, context.random(at)))
  }

  /** Resolves when no transaction is under way; none begins until `resume`. */
  async pause(): Promise<void> {
    this.#gate = new Promise((open) => {
      this.#open = open
    })
    while (this.#busy > 0) await delay(5)
  }

  resume(): void {
    this.#open()
  }

  async end(): Promise<void> {
    this.#isOver = true
    this.resume()
    await Promise.all(this.#loops)
  }

  async #write(isolation: Isolation, random: Random): Promise<void> {
    let client: pg.Client | undefined
    while (!this.#isOver) {
      if (client === undefined) {
        // The branch may be asleep, in the making or gone, or the gateway be starting again.
        client = await this.#context.connect().catch(() => undefined)
        if (client === undefined) await delay(100 + random.below(200))
        continue
      }
      await this.#gate
      if (this.#isOver) break
      this.#busy += 1
      try {
        if (!(await this.#transact(client, isolation, random))) {
          void client.end().catch(() => undefined)
          client = undefined
        }
      } finally {
        this.#busy -= 1
      }
      await delay(10 + random.below(50))
    }
    void client?.end().catch(() => undefined)
  }

  /** `false` when the session is of no use any more. */
  async #transact(client: pg.Client, isolation: Isolation, random: Random): Promise<boolean> {
    if (random.chance(0.1)) return this.#lookIntoTheBank(client)
    const { now, line, nextTransaction } = this.#context
    const here = line()
    const plan = planTransaction(nextTransaction(), isolation, here.keys, random)
    const begun: Transaction = {
      id: plan.id,
      isolation,
      begin: now(),
      end: Number.POSITIVE_INFINITY,
      outcome: 'unknown',
      steps: plan.steps.filter((step) => step.do !== 'read'),
    }
    here.record(begun)
    const { outcome, steps, isBroken } = await perform(client, plan)
    here.record({ ...begun, end: now(), outcome, steps })
    return !isBroken
  }

  async #lookIntoTheBank(client: pg.Client): Promise<boolean> {
    try {
      for (const wrong of checkBalances(await readBalances(client))) {
        this.#context.problem(`the bank: ${wrong}`)
      }
      return true
    } catch {
      return false
    }
  }
}

export function planTransaction(
  id: number,
  isolation: Isolation,
  keys: readonly number[],
  random: Random,
): Plan {
  const isGivenUp = random.chance(0.05)
  if (random.chance(0.4)) return { id, isolation, isGivenUp, steps: [planTransfer(random)] }
  const steps: PlannedStep[] = []
  for (let left = 1 + random.below(4), appends = 0; left > 0; left -= 1) {
    const key = random.pick(keys) ?? 0
    if (random.chance(0.4)) steps.push({ do: 'read', key })
    else if (appends < valuesPerTransaction) {
      steps.push({ do: 'append', key, value: valueBy(id, appends) })
      appends += 1
    }
  }
  return { id, isolation, isGivenUp, steps }
}

function planTransfer(random: Random): PlannedStep {
  const from = random.below(accounts)
  const to = (from + 1 + random.below(accounts - 1)) % accounts
  return { do: 'transfer', from, to, amount: 1 + random.below(200) }
}
