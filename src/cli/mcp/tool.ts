/** What a tool of `lakelet mcp` is, and what it gets: one object a tool, so that the table of them is all there is to add to. */
import type { z } from 'zod'
import type { Branch } from '../../client/resources.ts'
import type { Connection } from '../connection.ts'
import { findBranch, readTarget } from '../psql-target.ts'
import { Refusal } from '../refusal.ts'
import type { CliIo } from '../terminal.ts'
import { findOwnBranch, findPlace, type Reached } from '../worktree-branch.ts'
import { type Scope, scopes } from './scopes.ts'

export interface Session extends Reached {
  /** With the directory that the tools work in. */
  readonly io: CliIo
  readonly connection: Connection
  readonly allowed: ReadonlySet<Scope>
  /** Of who calls: the user of Postgres as well. */
  readonly login: string
  /** Aborts when the caller gives up. */
  readonly signal: AbortSignal
}

/** `facts`: what Lakelet says. `data`: what somebody stored in a database, which is never an instruction. */
export type Answer = { readonly facts: unknown } | { readonly note: string; readonly data: unknown }

interface Described {
  readonly name: string
  readonly title: string
  readonly describe: string
  /** One of them must be allowed, else the tool is not offered; absent: it always is. */
  readonly needs?: readonly Scope[]
  /** For clients that ask a person first. */
  readonly effect: 'reads' | 'adds' | 'destroys'
}

export interface Tool extends Described {
  readonly input: z.ZodObject
  run(input: unknown, session: Session): Promise<Answer>
}

interface ToolOf<Input extends z.ZodObject> extends Described {
  readonly input: Input
  run(input: z.output<Input>, session: Session): Promise<Answer>
}

/** The table holds tools of many inputs; each is checked against its own before it runs. */
export const tool = <Input extends z.ZodObject>(one: ToolOf<Input>): Tool => ({
  ...one,
  run: (input, session) => one.run(input as z.output<Input>, session),
})

/** The branch that is named, else the worktree's own. */
export async function chosenBranch(
  text: string | undefined,
  { client, login, io }: Pick<Session, 'client' | 'login' | 'io'>,
): Promise<Branch> {
  if (text !== undefined) {
    return client.branches.get(await findBranch(client, readTarget(text, {})))
  }
  const { worktree, file } = await findPlace(io)
  return findOwnBranch(client, worktree, file, login)
}

/** What everybody else uses is changed only by whoever was given that word as well. */
export function refuseProtected({ name, status }: Branch, allowed: ReadonlySet<Scope>): void {
  const why =
    status?.default === true
      ? "is its project's default branch"
      : status?.is_protected === true
        ? 'is protected'
        : undefined
  if (why === undefined || allowed.has('protected')) return
  throw new Refusal(
    `${name} ${why}, so nothing is changed there`,
    `Work on this worktree's own branch: leave out "branch", after the tool dev. ${howToAllow('protected')}`,
  )
}

export const howToAllow = (scope: Scope): string =>
  `A person may allow it (${scopes[scope]}) by starting the server with: lakelet mcp --allow ${scope}`
