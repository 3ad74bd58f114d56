/**
 * What the migrations of the code and those that a database has had say of each other. Pure: the code's come from files
 * (migration-tools.ts), the database's from the table that the tool keeps there.
 */

/** One migration of the code. */
export interface Step {
  /** As the tool's table names it. */
  readonly id: string
  /** As people know it. */
  readonly name: string
  /** Ids of those that it follows, where the tool keeps a graph; else the order of the list counts. */
  readonly after?: readonly string[]
  /** Ids of others that must be there before, which it does not follow: Alembic's `depends_on`. */
  readonly needs?: readonly string[]
  /** Ids of those that it stands for, as Django's squashed ones do. */
  readonly replaces?: readonly string[]
}

export interface AppliedRow {
  readonly id: string
  /** Begun and not finished. */
  readonly isFailed: boolean
  /** The database was taken over at this one: all up to it count as applied. */
  readonly isBaseline: boolean
}

/** How a tool counts. */
export interface Counting {
  /** The table holds the last ones alone, as Alembic's does. */
  readonly isHeadsOnly?: boolean
  /** Migrations of several histories lie in one table: which one an id is of. */
  historyOf?(id: string): string
}

export interface MigrationStatus {
  readonly appliedCount: number
  /** Names, in the order of the code. */
  readonly pending: readonly string[]
  /** Pending although a later one is applied: many tools pass these over, or refuse to go on. */
  readonly late: readonly string[]
  /** Ids that the database has had and the code does not know: it is ahead of the code. */
  readonly ahead: readonly string[]
  readonly failed: readonly string[]
  /** Names of those that cannot all be the last, or that claim one place; empty when the code is in order. */
  readonly heads: readonly (readonly string[])[]
}

export function compareHistories(
  steps: readonly Step[],
  rows: readonly AppliedRow[],
  counting: Counting = {},
): MigrationStatus {
  const { historyOf = () => '' } = counting
  const had = new Set(rows.filter(({ isFailed }) => !isFailed).map(({ id }) => id))
  const living = inOrder(withoutReplaced(steps, had))
  const applied = appliedOf(steps, living, rows, had, counting)
  const known = new Set(steps.flatMap(({ id, replaces = [] }) => [id, ...replaces]))
  const ours = new Set(['', ...steps.map(({ id }) => historyOf(id))])
  const pending = living.filter(({ id }) => !applied.has(id))
  const last = living.findLastIndex(({ id }) => applied.has(id))
  return {
    appliedCount: living.length - pending.length,
    pending: pending.map(({ name }) => name),
    late: pending
      .filter((step) => step.after === undefined && living.indexOf(step) < last)
      .map(({ name }) => name),
    ahead: rows
      .filter(({ id, isBaseline }) => !isBaseline && !known.has(id) && ours.has(historyOf(id)))
      .map(({ id }) => id),
    failed: rows.filter(({ isFailed }) => isFailed).map(({ id }) => id),
    heads: headsOf(living, historyOf),
  }
}

/**
 * Django's rule: what a squashed migration replaces gives way to it, unless a part of that has been applied; then the
 * squashed one waits until the rest is.
 */
function withoutReplaced(steps: readonly Step[], had: ReadonlySet<string>): readonly Step[] {
  const gone = new Set<string>()
  for (const { id, replaces = [] } of steps) {
    const isPartly = replaces.some((one) => had.has(one)) && !replaces.every((one) => had.has(one))
    for (const one of isPartly ? [id] : replaces) gone.add(one)
  }
  return steps.filter(({ id }) => !gone.has(id))
}

/** What a step follows goes before it; else the order stays. */
function inOrder(steps: readonly Step[]): readonly Step[] {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const ordered = new Set<Step>()
  const entered = new Set<Step>()
  const place = (step: Step) => {
    if (entered.has(step)) return
    entered.add(step)
    for (const id of [...(step.after ?? []), ...(step.needs ?? [])]) {
      const earlier = byId.get(id)
      if (earlier !== undefined) place(earlier)
    }
    ordered.add(step)
  }
  for (const step of steps) place(step)
  return [...ordered]
}

function appliedOf(
  steps: readonly Step[],
  living: readonly Step[],
  rows: readonly AppliedRow[],
  had: ReadonlySet<string>,
  { isHeadsOnly = false }: Counting,
): ReadonlySet<string> {
  const applied = new Set(had)
  if (isHeadsOnly) {
    const byId = new Map(steps.map((step) => [step.id, step]))
    const open = [...had]
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const { after = [], needs = [] } = byId.get(id) ?? {}
      for (const earlier of [...after, ...needs]) {
        if (applied.has(earlier)) continue
        applied.add(earlier)
        open.push(earlier)
      }
    }
  }
  for (const { id } of rows.filter(({ isBaseline }) => isBaseline)) {
    for (const step of steps) if (inNumbers(step.id, id) <= 0) applied.add(step.id)
  }
  for (const { id, replaces = [] } of living) {
    if (replaces.length > 0 && replaces.every((one) => had.has(one))) applied.add(id)
  }
  return applied
}

const { compare: inNumbers } = new Intl.Collator('en', { numeric: true })

/** In a graph those that none follows, of each history; else those of one id. */
function headsOf(
  living: readonly Step[],
  historyOf: (id: string) => string,
): readonly (readonly string[])[] {
  const groups = new Map<string, string[]>()
  const add = (key: string, name: string) => groups.set(key, [...(groups.get(key) ?? []), name])
  const standsFor = new Map(
    living.flatMap(({ id, replaces = [] }) => replaces.map((one) => [one, id] as const)),
  )
  const followed = new Set(
    living.flatMap(({ id, after = [] }) =>
      after
        .map((earlier) => standsFor.get(earlier) ?? earlier)
        .filter((earlier) => historyOf(earlier) === historyOf(id)),
    ),
  )
  for (const { id, name, after } of living) {
    if (after === undefined) add(`=${id}`, name)
    else if (!followed.has(id)) add(historyOf(id), name)
  }
  return [...groups.values()].filter(({ length }) => length > 1)
}
