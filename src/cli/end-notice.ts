/** Says on standard error that a branch ends soon, so that whoever works with it can renew it. */
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Branch } from '../client/resources.ts'
import { millis, minutes, systemClock, timer } from '../lib/time.ts'
import { type CliIo, coloursFor, printable } from './terminal.ts'

const lead = minutes(15)
/** A timer may not be longer than 2^31 ms, and the end may move meanwhile. */
const lookAtMostAfter = minutes(60)
const tryAgainAfter = minutes(1)

/** A quarter of an hour before the end, or for the last quarter of a short life; `undefined`: it does not end. */
function noticeTime({ create_time, status }: Branch): number | undefined {
  const end = Date.parse(status?.expire_time ?? '')
  if (Number.isNaN(end)) return undefined
  const life = end - Date.parse(create_time ?? '')
  return end - Math.min(lead, Number.isNaN(life) ? lead : life / 4)
}

/** Now, when its time has come. */
export function noticeEnd(branch: Branch, io: CliIo): boolean {
  const at = noticeTime(branch)
  if (at === undefined || at > systemClock.now()) return false
  const { yellow } = coloursFor(io.stderr, io)
  const end = printable(String(branch.status?.expire_time))
  io.stderr.write(
    `${yellow('Note:')} the branch ends at ${end}. To let it live longer: lakelet branch renew\n`,
  )
  return true
}

/** Once for each end while a program runs. A server that does not answer is asked again. */
export function watchEnd(client: LakeletClient, first: Branch, io: CliIo): { stop(): void } {
  let next: { cancel(): void } | undefined
  let told: string | undefined
  const wait = (branch: Branch) => {
    const end = branch.status?.expire_time
    if (end !== told && noticeEnd(branch, io)) told = end
    const at = end === told ? undefined : noticeTime(branch)
    const left = at === undefined ? lookAtMostAfter : at - systemClock.now()
    next = timer(millis(Math.min(lookAtMostAfter, Math.max(1000, left))), look)
  }
  const look = () => {
    client.branches.get(first.name).then(wait, () => {
      next = timer(tryAgainAfter, look)
    })
  }
  wait(first)
  return { stop: () => next?.cancel() }
}
