/**
 * Keeps a flood of what anybody may provoke (refused calls, log-ins) from filling the audit log: the
 * first of a kind is written at once, its repetitions within a minute are counted and written as one
 * entry; beyond a rate, entries of all kinds are counted together. Nothing is left uncounted. Pure: the
 * time is passed in.
 */
import { after, type EpochMs, minutes, seconds } from '../lib/time.ts'
import type { AuditEntry } from './audit.ts'

const repetitionWindow = seconds(60)
/** More kinds than this are not told apart at a time. */
const mostKinds = 2000

/** Entries at once, and entries a minute after that. */
const rates = {
  /** Strangers: anybody who reaches a port. About 4 MB a day at most. */
  strangers: { burst: 500, perMinute: 5 },
  refused: { burst: 1000, perMinute: 10 },
  /** These hold a credential that somebody was given. */
  proven: { burst: 5000, perMinute: 60 },
} as const
type Rate = keyof typeof rates

interface Kind {
  readonly until: EpochMs
  /** Since the last entry that was written of it. */
  repeated: number
  last: AuditEntry
}

interface Bucket {
  left: number
  at: EpochMs
}

export class AuditCoalescing {
  readonly #kinds = new Map<string, Kind>()
  readonly #overflow = new Map<string, AuditEntry>()
  readonly #buckets = new Map<Rate, Bucket>()
  #overflowUntil: EpochMs | undefined

  /** What to write of it now: the entry itself, or nothing. */
  note(entry: AuditEntry, now: EpochMs): AuditEntry | undefined {
    const key = keyOf(entry)
    const kind = this.#kinds.get(key)
    if (kind !== undefined) {
      kind.repeated += entry.count
      kind.last = entry
      return undefined
    }
    if (this.#kinds.size >= mostKinds || !this.#take(rateOf(entry), now)) {
      this.#countTogether(entry, now)
      return undefined
    }
    this.#kinds.set(key, { until: after(now, repetitionWindow), repeated: 0, last: entry })
    return entry
  }

  /** Entries for the repetitions whose minute is over; all that there are for `Infinity`. */
  due(now: EpochMs): readonly AuditEntry[] {
    const lines: AuditEntry[] = []
    for (const [key, kind] of this.#kinds) {
      if (kind.until > now) continue
      this.#kinds.delete(key)
      if (kind.repeated === 0) continue
      const line = { ...kind.last, count: kind.repeated }
      if (!this.#take(rateOf(line), now)) {
        this.#countTogether(line, now)
        continue
      }
      lines.push(line)
      // It goes on: the next minute begins with a count, not with one more first entry.
      this.#kinds.set(key, { until: after(now, repetitionWindow), repeated: 0, last: kind.last })
    }
    if (this.#overflowUntil !== undefined && this.#overflowUntil <= now) {
      lines.push(...this.#overflow.values())
      this.#overflow.clear()
      this.#overflowUntil = undefined
    }
    return lines
  }

  /** When `due` has something next. */
  nextDue(): EpochMs | undefined {
    let next = this.#overflowUntil
    for (const { until } of this.#kinds.values()) {
      if (next === undefined || until < next) next = until
    }
    return next
  }

  /** Of too many different ones only what they were is kept, not who, whence and to what. */
  #countTogether({ time, action, result, reason, actor, count }: AuditEntry, now: EpochMs): void {
    const key = [action, result, reason, actor.kind].join(' ')
    const before = this.#overflow.get(key)?.count ?? 0
    this.#overflow.set(key, {
      time,
      action,
      resource: 'too many to list',
      actor: { kind: actor.kind },
      origin: {},
      result,
      ...(reason === undefined ? {} : { reason }),
      changed: [],
      details: {},
      count: before + count,
    })
    this.#overflowUntil ??= after(now, minutes(1))
  }

  #take(rate: Rate, now: EpochMs): boolean {
    const { burst, perMinute } = rates[rate]
    const bucket = this.#buckets.get(rate) ?? { left: burst, at: now }
    const minutesGone = Math.max(0, now - bucket.at) / minutes(1)
    const left = Math.min(burst, bucket.left + minutesGone * perMinute)
    const isLeft = left >= 1
    this.#buckets.set(rate, { left: isLeft ? left - 1 : left, at: now })
    return isLeft
  }
}

function rateOf({ actor, result }: AuditEntry): Rate {
  if (actor.kind === 'UNKNOWN') return 'strangers'
  return result === 'refused' || result === 'failed' ? 'refused' : 'proven'
}

const keyOf = ({ action, resource, result, reason, actor, origin, details }: AuditEntry): string =>
  JSON.stringify([
    [action, resource, result, reason, actor.kind, actor.uid, actor.name, actor.agent],
    [origin.remoteAddress, details.token_id],
  ])
