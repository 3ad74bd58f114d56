/**
 * Rules of signing in. Pure. Attempts are counted before they are checked, so that many at once find
 * no gap, in a window that begins with the first one: whoever is locked out gets back in when it ends,
 * however often they tried meanwhile.
 */
import { after, between, type EpochMs, minutes } from '../lib/time.ts'

export interface AttemptRule {
  /** Attempts in a window that are looked at; the next ones are refused unseen. */
  readonly allowed: number
}

export const attemptWindow = minutes(15)

/** Ten guesses at one account, and fifty from one address, which may be an office. */
export const attemptRules = {
  account: { allowed: 10 },
  address: { allowed: 50 },
} as const satisfies Record<string, AttemptRule>

/** Whole minutes until the next try, at least 1; `undefined`: this attempt may be looked at. */
export function lockedFor(
  { count, since }: { readonly count: number; readonly since: EpochMs },
  { allowed }: AttemptRule,
  now: EpochMs,
): number | undefined {
  if (count <= allowed) return undefined
  return Math.max(1, Math.ceil(between(now, after(since, attemptWindow)) / minutes(1)))
}

/**
 * An IPv6 client has a whole /64 to choose addresses from, so that is what counts; an IPv4 one that
 * came over IPv6 is itself.
 */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':')) return address
  const [head = '', tail] = address.toLowerCase().split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const gap =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0')
  const groups = [...front, ...gap, ...back].slice(0, 4)
  return `${groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`
}

const shortest = 12
const longest = 256

/** What is wrong with a new password; `undefined`: nothing. */
export function passwordProblem(password: string, loginName: string): string | undefined {
  const length = [...password].length
  if (length < shortest) return `it has ${length} characters and needs at least ${shortest}`
  if (length > longest) return `it has more than ${longest} characters`
  if (new Set(password).size < 4) return 'it repeats the same few characters'
  const name = loginName.toLowerCase().split('@')[0] ?? ''
  const bare = password.toLowerCase()
  if (
    bare === loginName.toLowerCase() ||
    (name.length > 3 && bare.replaceAll(name, '').length < 6)
  ) {
    return 'it is little more than the name'
  }
  if (/^(?:password|passwort|qwertz?u?i?o?p?|letmein|0?123456789?0?|[!?. ])+$/i.test(password)) {
    return 'it is among the first that anyone would guess'
  }
  return undefined
}
