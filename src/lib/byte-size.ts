/**
 * Sizes as people type them: `20GB`, `512MiB`, `1.5T`, or plain bytes. A kilobyte is 1024 bytes with
 * or without the `i`, as in Postgres's own settings.
 */

const POWERS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4, p: 5 }

/** Whole bytes; `undefined` when the text is not a size. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s?([kmgtp]?)(?:i?b)?$/i.exec(text.trim())
  if (match === null) return undefined
  const [, amount = '0', unit = ''] = match
  const bytes = Math.floor(Number(amount) * 1024 ** (POWERS[unit.toLowerCase()] ?? 0))
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** `1.5 GiB`; whole numbers below ten of a unit keep one digit after the point. */
export function readableBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const
  let amount = Math.max(0, bytes)
  let at = 0
  while (amount >= 1024 && at < units.length - 1) {
    amount /= 1024
    at += 1
  }
  const text = amount < 10 && at > 0 ? amount.toFixed(1).replace(/\.0$/, '') : amount.toFixed(0)
  return `${text} ${units[at]}`
}
