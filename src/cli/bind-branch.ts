/** Tells the server which worktree has a branch. A note beside the work: a command never fails by it. */
import { isUnknownMethod } from '../client/api-error.ts'
import type { LakeletClient } from '../client/lakelet-client.ts'
import { boundTo } from '../worktree/bound-to.ts'
import type { Worktree } from '../worktree/git-worktree.ts'
import { codingAgent } from './coding-agent.ts'
import { type CliIo, note } from './terminal.ts'

export interface Bind {
  /** Full name of the branch. */
  readonly branch: string
  /** It was made for this worktree, and may go with it. */
  readonly isOwn: boolean
  /** Of a program that works with the branch for a while. */
  readonly pid?: number
}

export async function bindBranch(
  client: LakeletClient,
  worktree: Worktree,
  { branch, isOwn, pid }: Bind,
  io: CliIo,
): Promise<void> {
  try {
    const to = await boundTo(worktree, { env: io.env, agent: codingAgent(io.env), pid })
    await client.bindBranch(branch, { ...to, is_own: isOwn })
  } catch (error) {
    // Another server of the contract, which has no such method.
    if (isUnknownMethod(error)) return
    const says = error instanceof Error ? error.message : String(error)
    note(
      `the server could not be told that this worktree has the branch, so it will not go with the worktree: ${says}`,
      io,
    )
  }
}
