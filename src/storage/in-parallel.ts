/** File operations wait for the disk, not for us: a few at a time keep libuv's threads busy. */

/** As many as libuv has threads by default; more only queue before them. */
const width = 4

/** Runs `work` on each item, a few at once. The first failure stops what has not begun. */
export async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  let hasFailed = false
  const lane = async (): Promise<void> => {
    for (const item of rest) {
      if (hasFailed) return
      try {
        await work(item)
      } catch (error) {
        hasFailed = true
        throw error
      }
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: width }, lane))
  for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason
}
