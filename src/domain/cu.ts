/**
 * Compute units: 1 CU is about 2 GB of memory. The Postgres settings that follow from them are one
 * pure table, so that a resize is a diff of two of its answers.
 */

/** max_connections of the published sizes, by maximum CU; between them it is linear. */
const connections: readonly (readonly [cu: number, connections: number])[] = [
  [0.5, 104],
  [1, 209],
  [4, 839],
  [8, 1678],
  [16, 3357],
  [32, 4000],
]

export function maxConnections(maxCu: number): number {
  let below = connections[0] ?? [0.5, 104]
  for (const step of connections) {
    if (maxCu === step[0]) return step[1]
    if (maxCu < step[0]) {
      const share = (maxCu - below[0]) / (step[0] - below[0])
      return Math.round(below[1] + share * (step[1] - below[1]))
    }
    below = step
  }
  return below[1]
}

/**
 * Settings of a compute of `maxCu`. Shared memory is touched as it is used, so an idle compute costs
 * what it reads; the operating system's cache serves the rest. Only the bookkeeping of each buffer is
 * written at start: 1.3 MB for every 64 MB of shared_buffers.
 */
export function settingsForCu(maxCu: number): Readonly<Record<string, string>> {
  return {
    max_connections: String(maxConnections(maxCu)),
    shared_buffers: `${Math.round(64 * maxCu)}MB`,
    effective_cache_size: `${Math.round(1536 * maxCu)}MB`,
    maintenance_work_mem: `${Math.min(1024, Math.round(64 * Math.max(1, maxCu)))}MB`,
    work_mem: `${Math.min(64, Math.round(4 * Math.max(1, maxCu)))}MB`,
  }
}

export interface CuLimits {
  readonly max: number
  /** How far the maximum of an endpoint may be above its minimum. */
  readonly spread: number
}

/** Below it Postgres has too little to run. */
export const smallestCu = 0.5
export const defaultCuLimits: CuLimits = { max: 64, spread: 16 }

/** What is wrong with a pair of limits, or `undefined`. */
export function cuProblem(
  minCu: number,
  maxCu: number,
  { max, spread }: CuLimits = defaultCuLimits,
): string | undefined {
  if (minCu < smallestCu) return `autoscaling_limit_min_cu must be at least ${smallestCu}`
  const above = minCu > max ? 'min' : maxCu > max ? 'max' : undefined
  if (above !== undefined) {
    return `autoscaling_limit_${above}_cu must be at most ${max} (--max-cu); there are no larger fixed sizes here`
  }
  if (maxCu < minCu) return 'autoscaling_limit_max_cu must not be below autoscaling_limit_min_cu'
  if (maxCu - minCu > spread) {
    return `autoscaling_limit_max_cu may be at most ${spread} above autoscaling_limit_min_cu (--max-cu-spread)`
  }
  return undefined
}
