/**
 * What locks a migration held, and for how long, from looks at `pg_locks` in short order. A lock counts from the last look
 * that did not show it yet to the first one that did not show it any more: never too short. One that came and went
 * between two looks is not there. Pure: moments are given.
 *
 * Modes: https://www.postgresql.org/docs/current/explicit-locking.html
 */
import { type Millis, millis } from '../lib/time.ts'

export interface SeenLock {
  /** Session and transaction. */
  readonly holder: string
  /** A table that was there before, as schema.name; of an index its table, for whose queries need it. */
  readonly relation: string
  /** `AccessExclusiveLock` and so on. */
  readonly mode: string
}

export interface SeenStatement {
  /** Tells this run of it from every other one. */
  readonly key: string
  readonly text: string
  readonly ran: Millis
}

export interface Look {
  /** Monotonic. */
  readonly at: Millis
  readonly locks: readonly SeenLock[]
  readonly statements: readonly SeenStatement[]
  /** Sessions that were there, by whatever tells them apart. */
  readonly sessions: readonly string[]
}

export interface LockReport {
  readonly looks: number
  readonly sessions: number
  /** Between two looks: what was shorter may be missing. */
  readonly longestGap: Millis
  /** Longest first; of each relation and mode the longest hold. */
  readonly locks: readonly { relation: string; mode: string; held: Millis }[]
  /** How long who comes at the worst moment waits; only relations where somebody would. */
  readonly waits: readonly { relation: string; reads: Millis; writes: Millis }[]
  /** Longest first. */
  readonly statements: readonly { text: string; ran: Millis }[]
}

/** What each mode keeps others from; those that plain reads and writes take stop neither and are not told. */
const stops: Readonly<Record<string, readonly ('reads' | 'writes')[]>> = {
  AccessExclusiveLock: ['reads', 'writes'],
  ExclusiveLock: ['writes'],
  ShareRowExclusiveLock: ['writes'],
  ShareLock: ['writes'],
  ShareUpdateExclusiveLock: [],
}

const mostStatements = 5

/** A stretch of time in which one holder kept one mode, or kept others from reading or writing. */
interface Span {
  readonly relation: string
  readonly what: string
  readonly from: Millis
}

export class LockLedger {
  readonly #open = new Map<string, Span>()
  readonly #longest = new Map<string, Map<string, Millis>>()
  #statements = new Map<string, SeenStatement>()
  readonly #sessions = new Set<string>()
  #last: Millis | undefined
  #looks = 0
  #longestGap = millis(0)

  add({ at, locks, statements, sessions }: Look): void {
    const before = this.#last ?? at
    this.#looks += 1
    this.#longestGap = millis(Math.max(this.#longestGap, at - before))
    this.#last = at
    const seen = new Set<string>()
    for (const { holder, relation, mode } of locks) {
      const effects = stops[mode]
      if (effects === undefined) continue
      for (const what of [mode, ...effects]) {
        const key = `${holder} ${what} ${relation}`
        seen.add(key)
        if (!this.#open.has(key)) this.#open.set(key, { relation, what, from: before })
      }
    }
    for (const [key, span] of this.#open) {
      this.#note(span, at)
      if (!seen.has(key)) this.#open.delete(key)
    }
    for (const statement of statements) this.#statements.set(statement.key, statement)
    if (this.#statements.size > 1000) this.#statements = new Map(this.#slowest())
    for (const session of sessions) this.#sessions.add(session)
  }

  report(): LockReport {
    const relations = [...this.#longest]
    return {
      looks: this.#looks,
      sessions: this.#sessions.size,
      longestGap: this.#longestGap,
      locks: relations
        .flatMap(([relation, spans]) =>
          [...spans].map(([mode, held]) => ({ relation, mode, held })),
        )
        .filter(({ mode }) => mode in stops)
        .sort((one, other) => other.held - one.held),
      waits: relations
        .map(([relation, spans]) => ({
          relation,
          reads: spans.get('reads') ?? millis(0),
          writes: spans.get('writes') ?? millis(0),
        }))
        .filter(({ writes }) => writes > 0)
        .sort((one, other) => other.writes - one.writes),
      statements: this.#slowest().map(([, { text, ran }]) => ({ text, ran })),
    }
  }

  #note({ relation, what, from }: Span, until: Millis): void {
    const spans = this.#longest.get(relation) ?? new Map<string, Millis>()
    spans.set(what, millis(Math.max(spans.get(what) ?? 0, until - from)))
    this.#longest.set(relation, spans)
  }

  #slowest(): readonly (readonly [string, SeenStatement])[] {
    return [...this.#statements]
      .sort(([, one], [, other]) => other.ran - one.ran)
      .slice(0, mostStatements)
  }
}
