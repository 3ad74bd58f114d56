/**
 * Events that are sent to web addresses: how they are signed (https://www.standardwebhooks.com, “Signature scheme”) and
 * when they are tried again. Pure.
 */
import { createHmac } from 'node:crypto'
import { after, type EpochMs, hours, minutes, rfc3339, seconds } from '../lib/time.ts'
import type { IdentityUid, ProjectUid } from './names.ts'

export interface Webhook {
  readonly uid: string
  readonly projectUid: ProjectUid
  readonly url: string
  /** Sealed. */
  readonly sealedSecret: string
  readonly createdBy: IdentityUid
  readonly createTime: EpochMs
  /** When one was tried last. */
  readonly lastTime: EpochMs | undefined
  /** What was wrong then; `undefined`: it arrived. */
  readonly lastProblem: string | undefined
  /** That were given up. */
  readonly lost: number
}

/** An event for one webhook: a row until it has arrived or is given up. */
export interface Delivery {
  /** The same at each try, so that a receiver knows what it has already. */
  readonly uid: string
  readonly webhookUid: string
  readonly body: string
  /** How often it was tried. */
  readonly attempts: number
  readonly nextTime: EpochMs
}

const prefix = 'whsec_'

export const webhookSecret = (bytes: Uint8Array): string =>
  `${prefix}${Buffer.from(bytes).toString('base64')}`

/** What proves that it is from here: over its id, the second of this try, and every byte of the body. */
export function signedHeaders(
  secret: string,
  { uid, body }: Pick<Delivery, 'uid' | 'body'>,
  now: EpochMs,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1000))
  const key = Buffer.from(secret.slice(prefix.length), 'base64')
  const proof = createHmac('sha256', key).update(`${uid}.${timestamp}.${body}`).digest('base64')
  return {
    'content-type': 'application/json',
    'webhook-id': uid,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${proof}`,
  }
}

const pauses = [
  seconds(5),
  seconds(30),
  minutes(2),
  minutes(10),
  minutes(30),
  hours(1),
  hours(3),
  hours(6),
  hours(12),
]

/** `undefined`: after a day it is given up. `attempts`: this one included. */
export const nextTry = (attempts: number, now: EpochMs): EpochMs | undefined => {
  const pause = pauses[attempts - 1]
  return pause === undefined ? undefined : after(now, pause)
}

export interface EndsSoon {
  /** Full name. */
  readonly branch: string
  readonly expireTime: EpochMs
  readonly createdBy: string | undefined
}

export const endsSoonBody = ({ branch, expireTime, createdBy }: EndsSoon, now: EpochMs): string =>
  JSON.stringify({
    type: 'branch.ends_soon',
    timestamp: rfc3339(now),
    data: {
      branch,
      expire_time: rfc3339(expireTime),
      ...(createdBy === undefined ? {} : { created_by: createdBy }),
    },
  })

export type WebhookResource = ReturnType<typeof renderWebhook>

export const renderWebhook = (webhook: Webhook, name: string) => ({
  name,
  uid: webhook.uid,
  url: webhook.url,
  create_time: rfc3339(webhook.createTime),
  ...(webhook.lastTime === undefined ? {} : { last_time: rfc3339(webhook.lastTime) }),
  ...(webhook.lastProblem === undefined ? {} : { last_problem: webhook.lastProblem }),
  lost: webhook.lost,
})
