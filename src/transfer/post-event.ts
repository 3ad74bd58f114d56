/** Sends one event to a web address that somebody gave. Its answer is for nobody to read. */
import { deadline, seconds } from '../lib/time.ts'
import type { PostEvent } from '../ports/webhooks.ts'

export const postEvent: PostEvent = async (url, headers, body) => {
  try {
    const reply = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'user-agent': 'lakelet' },
      body,
      redirect: 'manual', // to where, its owner may not have meant
      signal: deadline(seconds(15)),
    })
    await reply.body?.cancel()
    return reply.ok ? undefined : `it answered ${reply.status}`
  } catch (error) {
    if (!(error instanceof Error)) return String(error)
    if (error.name === 'TimeoutError') return 'it did not answer in 15 s'
    const { cause } = error
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : error.message
    return `it cannot be reached: ${code}`.slice(0, 200)
  }
}
