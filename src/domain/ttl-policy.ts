/**
 * How long branches of a project may live: rules by the branch's id and by who asks, the first that fits counts. They
 * narrow what the server allows, never widen it. Pure.
 */
import type { Millis } from '../lib/time.ts'
import { formatDuration } from './duration.ts'
import { Fault } from './faults.ts'
import type { IdentityUid } from './names.ts'

export interface TtlRule {
  /** Pattern of branch ids: `*` is any text, `?` any character. */
  readonly match: string
  /** Of a create that says nothing; `undefined`: the server's. */
  readonly default: Millis | undefined
  /** From now, also of a renewal; a branch without an end is refused. `undefined`: the server's, and it may stay. */
  readonly maximum: Millis | undefined
  /** Users, service principals and groups that it is for; none: everybody. */
  readonly who: readonly IdentityUid[]
}

export interface TtlBounds {
  readonly default: Millis | undefined
  readonly maximum: Millis
  /** A branch without an end is refused. */
  readonly mustEnd: boolean
}

interface Asking {
  readonly branchId: string
  /** Of whoever asks: itself and its groups. */
  readonly principals: readonly IdentityUid[]
}

export function ttlBounds(
  rules: readonly TtlRule[],
  { branchId, principals }: Asking,
  server: { readonly maxBranchTtl: Millis; readonly defaultBranchTtl: Millis | undefined },
): TtlBounds {
  const rule = rules.find(
    ({ match, who }) =>
      fits(match, branchId) && (who.length === 0 || who.some((uid) => principals.includes(uid))),
  )
  const maximum = shorter(rule?.maximum, server.maxBranchTtl)
  const usual = rule?.default ?? server.defaultBranchTtl
  return {
    default: usual === undefined ? undefined : shorter(usual, maximum),
    maximum,
    mustEnd: rule?.maximum !== undefined,
  }
}

const shorter = (one: Millis | undefined, other: Millis): Millis =>
  one !== undefined && one < other ? one : other

function fits(pattern: string, text: string): boolean {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replace(/\*+/g, '.*').replaceAll('?', '.')}$`).test(text)
}

/** Throws FIELD_INVALID for rules that contradict themselves. */
export function checkRules(rules: readonly TtlRule[]): void {
  for (const [at, { default: usual, maximum }] of rules.entries()) {
    if (usual === undefined || maximum === undefined || usual <= maximum) continue
    throw new Fault('FIELD_INVALID', {
      field: `rules.${at}.default_ttl`,
      problem: 'it must not be longer than max_ttl',
    })
  }
}

export type TtlRuleResource = ReturnType<typeof renderRule>

export const renderRule = (
  { match, default: usual, maximum }: TtlRule,
  who: readonly string[],
) => ({
  match,
  ...(usual === undefined ? {} : { default_ttl: formatDuration(usual) }),
  ...(maximum === undefined ? {} : { max_ttl: formatDuration(maximum) }),
  ...(who.length === 0 ? {} : { who }),
})
