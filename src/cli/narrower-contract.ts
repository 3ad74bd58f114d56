/**
 * What another server of the contract does not have, such as a Databricks workspace, and what it allows less of: the words for
 * it, with what to do instead. What a Lakelet refuses in the same way is told the same.
 */
import { ApiError, isUnknownMethod } from '../client/api-error.ts'
import type { Branch } from '../client/resources.ts'
import type { ProjectFile } from '../worktree/project-file.ts'
import { Refusal } from './refusal.ts'

/** Children of branches that end are refused. */
export const mayHaveNoChildren = (error: unknown): boolean =>
  error instanceof ApiError &&
  error.status === 400 &&
  error.message.includes('cannot have child branches')

/** `source`: id of the branch that was to be the source. */
export const sayOtherSource = (source: string): string =>
  `the server makes no branches of branches that end, such as ${source}, so this one is made of the default branch`

/** The rest of its end is as asked. `undefined`: nothing is missing. */
export function sayEndStays(
  asked: Readonly<Record<string, unknown>>,
  { status }: Branch,
): string | undefined {
  const ignored = [
    ...(asked.sliding_ttl !== undefined && status?.sliding_ttl === undefined ? ['sliding'] : []),
    ...(asked.is_held_by_sessions === true && status?.is_held_by_sessions !== true ? ['hold'] : []),
  ]
  if (ignored.length === 0) return undefined
  return `the server knows nothing of ${ignored.join(' and ')} of lakelet.toml: the branch ends at ${status?.expire_time}, unless it is renewed: lakelet branch renew`
}

/** What the server said of an end, or of a source that ends, with what to do; everything else as it is. */
export function withAdvice(error: unknown, { path }: Pick<ProjectFile, 'path'>): unknown {
  if (!(error instanceof ApiError) || error.status !== 400) return error
  if (mayHaveNoChildren(error)) {
    return new Refusal(
      `the server makes no branches of branches that end: ${error.message}`,
      'Name one without an end: --source production, or source in lakelet.toml.',
    )
  }
  if (!/\bexpir/i.test(error.message)) return error
  const where = path === undefined ? '--ttl' : `--ttl, or ttl in ${path}`
  return new Refusal(
    `the server does not allow this end: ${error.message}`,
    `${error.hint ?? 'A Databricks workspace lets branches live for 30 days at most.'} Say another one with ${where}.`,
  )
}

/** Of rehearsals and of SQL that is tried. */
export const noThrowawayOf = (source: string): Refusal =>
  new Refusal(
    `the server makes no branches of branches that end, such as ${source}, so nothing can be tried on a copy of it`,
    'Name a branch without an end in its place.',
  )

/** Of `lakelet branch reset` and `restore`. */
export function withoutReset(error: unknown, act: 'reset' | 'restore', branch: string): unknown {
  if (!isUnknownMethod(error)) return error
  return new Refusal(
    `the server has no method to ${act} a branch: ${branch} is as it was`,
    act === 'reset'
      ? `Make it anew: lakelet postgres delete-branch ${branch}, then lakelet dev`
      : `Make another branch of it as it was then: source_branch_time or source_branch_lsn of lakelet postgres create-branch`,
  )
}

/** Of `lakelet gc`. */
export function withoutBindings(error: unknown, host: string): unknown {
  if (!isUnknownMethod(error)) return error
  return new Refusal(
    `${host} keeps no bindings, so it does not know which worktrees branches belong to`,
    'It is no Lakelet, or an older one: branches end by their ttl there. Sooner: lakelet postgres delete-branch NAME.',
  )
}
