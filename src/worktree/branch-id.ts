/**
 * The id of the branch that belongs to somebody's worktree: `USER-LABEL-HASH`, a valid branch id of at most 63 characters for every
 * login and every name that git allows, and the same in every tool (docs/guide/worktrees.md).
 */
import { createHash } from 'node:crypto'
import type { Label } from './git-worktree.ts'

const longestUser = 20
const longestLabel = 32

export function branchIdFor(login: string, { identity, text }: Label): string {
  const hash = createHash('sha256').update(login).update('\0').update(identity).digest('hex')
  return [userOf(login), slug(text, longestLabel), hash.slice(0, 6)].filter(Boolean).join('-')
}

/** A service principal has no name that says anything. */
function userOf(login: string): string {
  const isPrincipal = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(login)
  if (isPrincipal) return `sp-${login.slice(0, 8).toLowerCase()}`
  const user = slug(login.split('@')[0] ?? '', longestUser)
  return /^[a-z]/.test(user) ? user : `u-${user}`.replace(/-$/, '')
}

const slug = (text: string, longest: number): string =>
  withoutHyphens(withoutHyphens(text.toLowerCase().replace(/[^a-z0-9]+/g, '-')).slice(0, longest))

const withoutHyphens = (text: string): string => text.replace(/^-+|-+$/g, '')
