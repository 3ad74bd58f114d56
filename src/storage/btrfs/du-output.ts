/** Reads what `btrfs filesystem du -s --raw PATH` prints. */

/** Bytes that no other subvolume shares; `undefined` when the output has another form. */
export function parseExclusive(output: string): number | undefined {
  const lines = output.trim().split('\n')
  const columns = lines.at(-1)?.trim().split(/\s+/)
  const exclusive = columns?.[1]
  if (lines.length < 2 || exclusive === undefined || !/^\d+$/.test(exclusive)) return undefined
  return Number(exclusive)
}
