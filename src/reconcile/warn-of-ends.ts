/**
 * Tells that a branch ends soon: an entry of the audit log, and an event for each webhook of its project, all with the note
 * that it was told in one transaction. Events are rows until they arrive, so a server that dies sends them later.
 */
import { bySystem } from '../actions/audit-entry.ts'
import { newOperationUid } from '../actions/new-uid.ts'
import type { Services } from '../actions/services.ts'
import type { Branch } from '../domain/branch.ts'
import { warningTimeOf } from '../domain/end-warning.ts'
import { branchName } from '../domain/names.ts'
import { endsSoonBody, nextTry, signedHeaders } from '../domain/webhook.ts'
import { failpoint } from '../lib/failpoint.ts'
import { after, type EpochMs, epochMs, type Millis, rfc3339, seconds } from '../lib/time.ts'
import type { PostEvent } from '../ports/webhooks.ts'

type Parts = Pick<Services, 'catalog' | 'clock' | 'log'>

/** Answers when the next one is to be told, of those that end within the lead. `told`: there may be events to send. */
export async function warnOfEnds(
  services: Parts,
  lead: Millis,
  told: () => void,
): Promise<EpochMs | undefined> {
  const { catalog, clock, log } = services
  const now = clock.now()
  let next: EpochMs | undefined
  for (const branch of await catalog.endWarnings.ending(now, after(now, lead))) {
    const at = warningTimeOf(branch, { lead, warnedEnd: branch.warnedEnd })
    if (at === undefined) continue
    if (at > now) {
      next = next === undefined ? at : epochMs(Math.min(next, at))
      continue
    }
    try {
      await warn(services, branch, lead)
      told()
    } catch (error) {
      log.error({ err: error, branch: branch.uid }, 'cannot tell that a branch ends soon')
    }
  }
  return next
}

/** Looks again under the project's lock. */
async function warn(
  { catalog, clock, log }: Parts,
  { uid, projectUid }: Pick<Branch, 'uid' | 'projectUid'>,
  lead: Millis,
): Promise<void> {
  await catalog.transaction(async (session) => {
    const project = await session.projects.lock(projectUid)
    const branch = await session.branches.byUid(uid)
    const warnedEnd = await session.endWarnings.of(uid)
    if (project === undefined || branch === undefined || branch.deleteTime !== undefined) return
    const now = clock.now()
    const { expireTime } = branch
    const at = warningTimeOf(branch, { lead, warnedEnd })
    if (expireTime === undefined || expireTime <= now || at === undefined || at > now) return
    await session.endWarnings.set(uid, expireTime)
    const name = branchName(project.projectId, branch.branchId)
    const creator = await session.directory.byUid(branch.createdBy)
    const body = endsSoonBody({ branch: name, expireTime, createdBy: creator?.loginName }, now)
    for (const webhook of await session.webhooks.list(project.uid)) {
      const delivery = { uid: newOperationUid(), webhookUid: webhook.uid, body, attempts: 0 }
      await session.webhooks.addDelivery({ ...delivery, nextTime: now })
    }
    log.info(
      { branch: branch.branchId, uid, expireTime: rfc3339(expireTime) },
      'a branch ends soon',
    )
    const details = { expire_time: rfc3339(expireTime) }
    await session.audit.append({
      ...bySystem('warn-of-end', { resource: name, resourceUid: uid, details }, now),
      projectUid,
      result: 'succeeded',
    })
  })
}

const atOnce = 16

/** Sends what is due. Answers when the next one is. */
export async function deliverEvents(
  services: Parts & Pick<Services, 'secrets'>,
  post: PostEvent,
): Promise<EpochMs | undefined> {
  const { catalog, clock, log, secrets } = services
  const due = await catalog.webhooks.due(clock.now(), atOnce)
  await Promise.all(
    due.map(async (delivery) => {
      const webhook = await catalog.webhooks.byUid(delivery.webhookUid)
      if (webhook === undefined) return // deleted, and this with it
      const secret = await secrets.open(webhook.sealedSecret)
      const problem =
        secret === undefined
          ? 'its secret cannot be read here: make it anew'
          : await post(
              webhook.url,
              signedHeaders(secret.reveal(), delivery, clock.now()),
              delivery.body,
            )
      await failpoint('deliver-events.posted:after')
      const time = clock.now()
      const next = problem === undefined ? undefined : nextTry(delivery.attempts + 1, time)
      await catalog.transaction((session) =>
        session.webhooks.setTried(delivery, { time, problem, next }),
      )
      if (problem === undefined) return
      log.warn(
        { webhook: webhook.uid, problem, isGivenUp: next === undefined },
        'an event did not arrive',
      )
    }),
  )
  const next = await catalog.webhooks.nextDue()
  // What is due still could not be written down: a second is soon enough.
  return next === undefined ? undefined : epochMs(Math.max(next, after(clock.now(), seconds(1))))
}
