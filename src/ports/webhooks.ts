/** Rows of warnings and of the events that follow from them, and their way out of here. */
import type { Branch } from '../domain/branch.ts'
import type { BranchUid, ProjectUid } from '../domain/names.ts'
import type { Delivery, Webhook } from '../domain/webhook.ts'
import type { EpochMs } from '../lib/time.ts'

export interface EndingBranch
  extends Pick<Branch, 'uid' | 'projectUid' | 'createTime' | 'expireTime'> {
  /** The end that was told of last. */
  readonly warnedEnd: EpochMs | undefined
}

export interface EndWarnings {
  /** Live branches of live projects that end in this time, the next one first. */
  ending(from: EpochMs, to: EpochMs): Promise<readonly EndingBranch[]>
  of(branch: BranchUid): Promise<EpochMs | undefined>
  set(branch: BranchUid, end: EpochMs): Promise<void>
}

export interface Webhooks {
  insert(webhook: Webhook): Promise<void>
  /** In the order in which they were made. */
  list(project: ProjectUid): Promise<readonly Webhook[]>
  byUid(uid: string): Promise<Webhook | undefined>
  /** With what it has not got yet; `false`: it is not there. */
  remove(project: ProjectUid, uid: string): Promise<boolean>
  addDelivery(delivery: Delivery): Promise<void>
  due(now: EpochMs, limit: number): Promise<readonly Delivery[]>
  nextDue(): Promise<EpochMs | undefined>
  /** What came of a try. `next`: when it is tried again; `undefined`: it is over. */
  setTried(
    delivery: Delivery,
    result: {
      readonly time: EpochMs
      readonly problem: string | undefined
      readonly next: EpochMs | undefined
    },
  ): Promise<void>
}

/** Sends a POST; `undefined`: it was taken (2xx), else what was wrong, in a few words. Never follows a redirect. */
export type PostEvent = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
) => Promise<string | undefined>
