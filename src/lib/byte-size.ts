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
