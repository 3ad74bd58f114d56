/** All tools of `lakelet mcp`, in the order in which clients show them. A new one is one more line. */
import {
  createBranchTool,
  deleteBranchTool,
  devTool,
  listBranchesTool,
  renewBranchTool,
  resetBranchTool,
  statusTool,
} from './branch-tools.ts'
import { credentialTool } from './credential-tool.ts'
import { diffTool } from './diff-tool.ts'
import { migrationsTool } from './migrations-tool.ts'
import { schemaTool } from './schema-tool.ts'
import type { Scope } from './scopes.ts'
import { executeTool, queryTool } from './sql-tools.ts'
import type { Tool } from './tool.ts'

export const tools: readonly Tool[] = [
  statusTool,
  devTool,
  renewBranchTool,
  queryTool,
  schemaTool,
  diffTool,
  migrationsTool,
  executeTool,
  credentialTool,
  listBranchesTool,
  createBranchTool,
  resetBranchTool,
  deleteBranchTool,
]

/** Those that were allowed: what is not offered is not tried. */
export const offered = (allowed: ReadonlySet<Scope>): readonly Tool[] =>
  tools.filter(({ needs }) => needs === undefined || needs.some((scope) => allowed.has(scope)))
