/** How far an import is, as its operation shows it. */

export const importPhases = ['preparing', 'dumping', 'loading', 'done'] as const
export type ImportPhase = (typeof importPhases)[number]

/** What of the source has no place in a branch, and was left out. A type: it is stored as JSON. */
export type LeftOut = {
  /** They owned or were granted something: all of it belongs to the branch's shared owner. */
  readonly roles: readonly string[]
  /** Of tables, for roles that are not there; `schema.table: policy`. */
  readonly policies: readonly string[]
  readonly event_triggers: readonly string[]
  readonly publications: readonly string[]
  readonly subscriptions: readonly string[]
  readonly user_mappings: readonly string[]
}

export type ImportReport = {
  readonly phase: ImportPhase
  readonly tables_done: number
  readonly tables_total: number
  /** Of tables on the source's disk; tables that are under way do not count. */
  readonly bytes_done: number
  readonly bytes_total: number
  readonly left_out?: LeftOut
}
