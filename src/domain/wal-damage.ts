/** What is wrong with a log that recovery would have to read. */
import { formatLsn, type Lsn } from './lsn.ts'

export class WalDamaged extends Error {
  override readonly name = 'WalDamaged'
  /** Name of the segment's file. */
  readonly segment: string
  readonly problem: 'missing' | 'damaged'
  /** Everything before can be read. */
  readonly at: Lsn

  constructor(segment: string, problem: 'missing' | 'damaged', at: Lsn) {
    super(`WAL segment ${segment} is ${problem} at ${formatLsn(at)}`)
    this.segment = segment
    this.problem = problem
    this.at = at
  }
}
