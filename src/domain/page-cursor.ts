/** Page tokens (Google AIP-158): opaque to clients, bound to the list that gave them. */
import { Buffer } from 'node:buffer'
import { Fault } from './faults.ts'

/** A token for the page after the row with this key. */
export const printCursor = (list: string, key: string): string =>
  Buffer.from(JSON.stringify([list, key])).toString('base64url')

/** The key; throws PAGE_TOKEN_UNKNOWN for a token that this list did not give. */
export function parseCursor(list: string, token: string | undefined): string | undefined {
  if (token === undefined || token === '') return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
    if (Array.isArray(value) && value.length === 2 && value[0] === list) {
      const key: unknown = value[1]
      if (typeof key === 'string') return key
    }
  } catch {
    // Not JSON: refused below like every other stranger.
  }
  throw new Fault('PAGE_TOKEN_UNKNOWN')
}
