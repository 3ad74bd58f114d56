/** Medians and percentiles of what was measured. Nearest rank: every number shown was really seen. */

export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const rank = Math.max(1, Math.ceil(share * sorted.length))
  return sorted[rank - 1] ?? Number.NaN
}

export const median = (samples: readonly number[]): number => percentile(samples, 0.5)
export const p95 = (samples: readonly number[]): number => percentile(samples, 0.95)
export const largest = (samples: readonly number[]): number => Math.max(...samples)

export const total = (samples: readonly number[]): number =>
  samples.reduce((sum, sample) => sum + sample, 0)
