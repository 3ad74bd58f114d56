import { describe, expect, test } from 'vitest'
import { days, epochMs, hours, minutes, seconds } from '../lib/time.ts'
import type { Branch } from './branch.ts'
import { warningTimeOf } from './end-warning.ts'
import { nextTry, signedHeaders, webhookSecret } from './webhook.ts'

const now = epochMs(1_614_265_330_000)

test('a signature is the one of the standard’s own example', () => {
  // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
  const headers = signedHeaders(
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    { uid: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}' },
    now,
  )
  expect(headers).toMatchObject({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
  expect(webhookSecret(new Uint8Array([1, 2, 3]))).toBe('whsec_AQID')
})

test('what does not arrive is tried again, ever more rarely, for a day', () => {
  expect(nextTry(1, now)).toBe(now + seconds(5))
  let at = now
  let attempts = 1
  for (let next = nextTry(1, at); next !== undefined; next = nextTry(attempts, at)) {
    expect(next).toBeGreaterThan(at)
    at = next
    attempts += 1
  }
  expect(attempts).toBe(10)
  expect(at - now).toBeGreaterThan(hours(20))
  expect(at - now).toBeLessThan(days(2))
})

describe('a warning of an end', () => {
  const branch = { createTime: epochMs(now - hours(5)), expireTime: epochMs(now + minutes(10)) }
  const time = (changes: Partial<Branch>, warnedEnd?: typeof now) =>
    warningTimeOf({ ...branch, ...changes }, { lead: minutes(15), warnedEnd })

  test('comes so long before the end, and once', () => {
    expect(time({})).toBe(now - minutes(5))
    expect(time({}, branch.expireTime)).toBeUndefined()
    expect(time({ expireTime: undefined })).toBeUndefined()
  })

  test('comes again when the end has moved well away, not with each step of it', () => {
    expect(time({}, epochMs(branch.expireTime - minutes(1)))).toBeUndefined()
    expect(time({}, epochMs(branch.expireTime - hours(1)))).toBe(now - minutes(5))
    // Nearer is no news either.
    expect(time({}, epochMs(branch.expireTime + hours(1)))).toBeUndefined()
  })

  test('comes for the last quarter of a short life', () => {
    const short = { createTime: now, expireTime: epochMs(now + minutes(8)) }
    expect(time(short)).toBe(now + minutes(6))
  })
})
