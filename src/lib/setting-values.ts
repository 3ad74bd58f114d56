/** How the text of one setting becomes its value. Each throws an `Error` that says what is wrong with it. */
import { join, resolve } from 'node:path'
import { parseByteSize } from './byte-size.ts'
import { humanDurationForms, parseHumanDuration } from './human-duration.ts'
import type { Millis } from './time.ts'

export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(port <= 65_535)) throw new Error('must be a port from 1 to 65535, or 0 for any free one')
  return port
}

export function parsePublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isBare =
    url?.pathname === '/' && url.search === '' && url.hash === '' && url.username === ''
  if (!isBare || !/^https?:$/.test(url?.protocol ?? '')) {
    throw new Error('must be a URL without a path, such as https://lakelet.example.com')
  }
  return url?.origin ?? text
}

/** Absolute or below the working directory, joined by commas. */
export function parseDirectories(
  text: string,
  { cwd, home }: { readonly cwd: string; readonly home: string },
): readonly string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.includes('')) throw new Error('must be one directory, or several joined by commas')
  return names.map((name) => resolve(cwd, name.startsWith('~/') ? join(home, name.slice(2)) : name))
}

export function parseLength(text: string): Millis {
  const length = parseHumanDuration(text)
  if (length === undefined || length === 0) throw new Error(`must be ${humanDurationForms}`)
  return length
}

export function parseSize(text: string): number {
  const bytes = parseByteSize(text)
  if (bytes === undefined || bytes === 0) throw new Error('must be a size such as 20GB')
  return bytes
}

/** Room that is kept free: the smaller of a share of the whole and a number of bytes. */
export interface Reserve {
  /** 0 to 0.9. */
  readonly share: number
  /** Infinity: the share alone counts. */
  readonly bytes: number
}

/** `5%`, `2GB`, or `5%,2GB` for the smaller of both. */
export function parseReserve(text: string): Reserve {
  const refused = new Error('must be a share, a size or both, such as 5%, 2GB or 5%,2GB')
  const parts = text.split(',').map((part) => part.trim())
  const [first = '', second] = parts
  if (parts.length > 2) throw refused
  if (!first.endsWith('%')) {
    const bytes = parseByteSize(first)
    if (bytes === undefined || second !== undefined) throw refused
    return { share: 0.9, bytes }
  }
  const percent = /^\d{1,2}(\.\d{1,3})?%$/.test(first) ? Number(first.slice(0, -1)) : Number.NaN
  if (!(percent <= 90)) throw new Error('must keep at most 90% free')
  const bytes = second === undefined ? Number.POSITIVE_INFINITY : parseByteSize(second)
  if (bytes === undefined) throw refused
  return { share: percent / 100, bytes }
}

export function parseCount(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (count === 0) throw new Error('must be a whole number from 1 to 999999')
  return count
}

export function oneOf<const T extends string>(text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text)
  if (found === undefined) throw new Error(`must be one of ${choices.join(', ')}`)
  return found
}

export function matching(text: string, pattern: RegExp, what: string): string {
  if (!pattern.test(text)) throw new Error(`must be ${what}`)
  return text
}
