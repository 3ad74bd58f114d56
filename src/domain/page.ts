/**
 * Pages of a list: how many items a client asks for, and the opaque token that says where the next
 * page begins. A token names its list, so that one list's token is refused by another.
 */
import { Fault } from './faults.ts'

export const pageLimits = { default: 100, max: 1000, maxProjects: 100, tokenLength: 1024 } as const

/** Absent and 0 leave the choice to us; more than the maximum is the maximum. */
export function readPageSize(text: string | undefined, max: number = pageLimits.max): number {
  if (text === undefined || text === '') return pageLimits.default
  if (!/^-?\d{1,10}$/.test(text)) {
    throw new Fault('FIELD_INVALID', { field: 'page_size', problem: 'it must be a whole number' })
  }
  const size = Number(text)
  if (size < 0) {
    throw new Fault('FIELD_INVALID', { field: 'page_size', problem: 'it must not be negative' })
  }
  return size === 0 ? pageLimits.default : Math.min(size, max)
}

/** Only its length is judged before the list itself looks at it. */
export function readPageToken(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  if (text.length > pageLimits.tokenLength) throw new Fault('PAGE_TOKEN_UNKNOWN')
  return text
}

/** `list` is the parent and kind (`projects/app/branches`), `after` the key of the last item. */
export const encodePageToken = (list: string, after: string): string =>
  Buffer.from(JSON.stringify([list, after])).toString('base64url')

/** The key of the last item of the page before. */
export function decodePageToken(list: string, token: string): string {
  const read = parseToken(token)
  if (!Array.isArray(read) || read.length !== 2 || read[0] !== list) {
    throw new Fault('PAGE_TOKEN_UNKNOWN')
  }
  const after: unknown = read[1]
  if (typeof after !== 'string' || encodePageToken(list, after) !== token) {
    throw new Fault('PAGE_TOKEN_UNKNOWN')
  }
  return after
}

function parseToken(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
  } catch (error) {
    throw new Fault('PAGE_TOKEN_UNKNOWN', {}, { cause: error })
  }
}
