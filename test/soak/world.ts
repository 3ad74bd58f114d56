/** What the soak knows to be there: branches with their lines, snapshots with what they must hold. */
import { checkBank } from './bank.ts'
import { differences } from './branch-point.ts'
import type { Contents, Moment } from './history.ts'
import type { Keeper } from './keeper.ts'
import { Line } from './line.ts'
import { type Random, randomOf } from './random.ts'
import { readContents } from './statements.ts'
import { Writers } from './writers.ts'

export const store = 'projects/store'
export const production = `${store}/branches/production`

export interface LiveBranch {
  readonly name: string
  line: Line
  writers: Writers | undefined
  /** Branch, or snapshot, that it was made of. */
  readonly source: string | undefined
  /** Who works on it: many who share it, or one who has it alone. */
  claims: number | 'alone'
}

export interface TakenSnapshot {
  readonly name: string
  /** Branch that it was taken of. */
  readonly source: string
  readonly line: Line
  readonly notBefore: Moment
  readonly notAfter: Moment
  /** Since a branch of it was looked into. */
  contents: Contents | undefined
  claims: number | 'alone'
}

/** Branches that are written to at once. */
const writtenAtOnce = 4

export class World {
  readonly keeper: Keeper
  readonly seed: number
  readonly branches = new Map<string, LiveBranch>()
  readonly snapshots = new Map<string, TakenSnapshot>()
  /** Snapshots that resets and restores left. */
  readonly previousStates = new Set<string>()
  readonly problems: string[] = []
  /** What was done how often, with which end. */
  readonly tally = new Map<string, number>()
  #moment = 0
  #names = 0
  #transactions = 0
  isOver = false

  constructor(keeper: Keeper, seed: number) {
    this.keeper = keeper
    this.seed = seed
  }

  readonly now = (): Moment => {
    this.#moment += 1
    return this.#moment
  }

  readonly nextTransaction = (): number => {
    this.#transactions += 1
    return this.#transactions
  }

  freshId(kind: string): string {
    this.#names += 1
    return `${kind}-${this.#names}`
  }

  random(name: string): Random {
    return randomOf(this.seed, name)
  }

  count(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1)
  }

  problem(what: string): void {
    if (this.problems.length < 50) process.stdout.write(`PROBLEM ${what}\n`)
    this.problems.push(what)
    this.isOver = true
  }

  problemsOf(where: string, found: readonly string[]): void {
    for (const what of found.slice(0, 10)) this.problem(`${where}: ${what}`)
  }

  /** One that is free for sharing, or for having it alone; `undefined`: none is. */
  claim<T extends { claims: number | 'alone' }>(
    choices: Iterable<T>,
    random: Random,
    how: 'shared' | 'alone',
  ): T | undefined {
    const free = [...choices].filter(({ claims }) =>
      how === 'alone' ? claims === 0 : claims !== 'alone',
    )
    const chosen = random.pick(free)
    if (chosen === undefined) return undefined
    if (how === 'alone') chosen.claims = 'alone'
    else if (chosen.claims !== 'alone') chosen.claims += 1
    return chosen
  }

  release(claimed: { claims: number | 'alone' }): void {
    claimed.claims = claimed.claims === 'alone' ? 0 : claimed.claims - 1
  }

  /** Not production, and nothing was made of it that is still there. */
  leaves(): readonly LiveBranch[] {
    const sources = new Set([...this.branches.values()].map(({ source }) => source))
    return [...this.branches.values()].filter(
      ({ name, source }) => source !== undefined && !sources.has(name),
    )
  }

  contentsOf(branch: string, endpoint = 'primary'): Promise<Contents> {
    return this.keeper.session(branch, readContents, endpoint)
  }

  /** A branch that was made: it is read, compared with what it must hold, and written to. */
  async welcome(
    made: {
      readonly name: string
      readonly source: string
      readonly line: Line
      readonly notBefore: Moment
      readonly notAfter: Moment
    },
    expected?: Contents,
  ): Promise<Contents> {
    const contents = await this.contentsOf(made.name)
    const told = `${made.name} of ${made.source}`
    this.problemsOf(told, checkBank(contents))
    this.problemsOf(told, made.line.checkPoint(contents, made.notBefore, made.notAfter))
    if (expected !== undefined) this.problemsOf(told, differences(expected, contents))
    made.line.observe(this.nextTransaction(), contents, made.notBefore, this.now())
    this.count('branch points compared')
    this.add(made.name, made.source, contents)
    return contents
  }

  add(name: string, source: string | undefined, contents: Contents): void {
    const branch: LiveBranch = {
      name,
      source,
      line: new Line(contents),
      writers: undefined,
      claims: 0,
    }
    this.branches.set(name, branch)
    const written = [...this.branches.values()].filter(({ writers }) => writers !== undefined)
    if (written.length < writtenAtOnce) branch.writers = this.#writersOf(branch)
  }

  #writersOf(branch: LiveBranch): Writers {
    return new Writers({
      nextTransaction: this.nextTransaction,
      now: this.now,
      connect: () => this.keeper.connect(branch.name),
      random: (writer) => this.random(`${branch.name} ${writer}`),
      problem: (what) => this.problem(`${branch.name}: ${what}`),
      line: () => branch.line,
    })
  }

  /** Its writers end; what it holds then must be what was done. */
  async lastLook(branch: LiveBranch): Promise<Contents> {
    await branch.writers?.end()
    branch.writers = undefined
    return this.look(branch)
  }

  /** While nobody writes. */
  async look(branch: LiveBranch): Promise<Contents> {
    const begin = this.now()
    const contents = await this.contentsOf(branch.name)
    const end = this.now()
    this.problemsOf(branch.name, checkBank(contents))
    this.problemsOf(branch.name, branch.line.checkPoint(contents, begin, end))
    branch.line.observe(this.nextTransaction(), contents, begin, end)
    this.close(branch.name, branch.line)
    return contents
  }

  /** Everything that was done on a line is judged, and counted. */
  close(name: string, line: Line): void {
    this.problemsOf(name, line.check())
    for (const { outcome } of line.transactions) this.count(`transactions ${outcome}`)
    this.count('lines checked')
  }
}
