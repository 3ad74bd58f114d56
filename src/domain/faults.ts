/**
 * Every refusal that a client may see, in one registry: the type, the HTTP status, the SQLSTATE, the
 * CLI's text and the reference page all come from here. `say` may hold `{fact}` places. Texts marked
 * `recorded` are the service's own words that programs match on: they travel unchanged, and what to
 * do about them (`next`) travels beside them, in the error's details and in the SQL HINT.
 */
import { backupReasons } from './backup-faults.ts'
import { branchReasons } from './branch-faults.ts'
import type { Code, ReasonSpec } from './fault-codes.ts'
import { machineReasons } from './machine-faults.ts'
import { requestReasons } from './request-faults.ts'
import { resourceReasons } from './resource-faults.ts'
import { signInReasons } from './sign-in-faults.ts'
import { transferReasons } from './transfer-faults.ts'
import { upgradeReasons } from './upgrade-faults.ts'

export const reasons = {
  ...requestReasons,
  ...resourceReasons,
  ...branchReasons,
  ...upgradeReasons,
  ...machineReasons,
  ...signInReasons,
  ...backupReasons,
  ...transferReasons,
} as const satisfies Record<string, ReasonSpec>

export type Reason = keyof typeof reasons
export type Facts = Readonly<Record<string, string | number | boolean>>

/** An expected refusal. Facts are shown to clients: never a path, host, SQL text or secret. */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly reason: Reason
  readonly facts: Facts

  constructor(reason: Reason, facts: Facts = {}, options?: ErrorOptions) {
    super(fill(reasons[reason].say, facts), options) // `cause` is for the log alone
    this.reason = reason
    this.facts = facts
  }

  get spec(): ReasonSpec {
    return reasons[this.reason]
  }

  get code(): Code {
    return this.spec.code
  }

  /** What to do next, if the registry knows. */
  get next(): string | undefined {
    return this.spec.next === undefined ? undefined : fill(this.spec.next, this.facts)
  }

  /** The whole text for clients that show one: what happened, and what to do unless recorded. */
  get text(): string {
    const { next, message } = this
    if (next === undefined || this.spec.recorded) return message
    return /[.!?]$/.test(message) ? `${message} ${next}` : `${message}. ${next}`
  }
}

const fill = (template: string, facts: Facts): string =>
  template.replace(/\{(\w+)\}/g, (_, key: string) => String(facts[key] ?? '?').slice(0, 500))

/** A fault as it is stored in an operation or sent to another process. */
export interface FaultRecord {
  readonly reason: Reason
  readonly facts: Facts
}

export const toRecord = ({ reason, facts }: Fault): FaultRecord => ({ reason, facts })
export const fromRecord = ({ reason, facts }: FaultRecord): Fault => new Fault(reason, facts)
