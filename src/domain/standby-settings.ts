/**
 * A hot standby must have room for everything that its source may have under way: Postgres refuses to
 * start one, or pauses its replay, where one of these is lower than on the source.
 */
export type Settings = Readonly<Record<string, string>>

export const floors = [
  'max_connections',
  'max_worker_processes',
  'max_prepared_transactions',
  'max_locks_per_transaction',
] as const

/** The standby's own settings, none of the floors below the source's. Pure. */
export function standbySettings(own: Settings, source: Settings): Settings {
  const raised: Record<string, string> = {}
  for (const name of floors) {
    const theirs = source[name]
    if (theirs === undefined) continue
    // What is no number, Postgres itself will refuse.
    if (own[name] === undefined || Number(own[name]) < Number(theirs)) raised[name] = theirs
  }
  return { ...own, ...raised }
}
