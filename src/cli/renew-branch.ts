/** Moving the end of a branch away from now: for the command and for the tool of agents. */
import type { LakeletClient } from '../client/lakelet-client.ts'
import { humanDurationForms, parseHumanDuration } from '../lib/human-duration.ts'
import { after, type Millis, rfc3339, systemClock } from '../lib/time.ts'
import { labelOf } from '../worktree/git-worktree.ts'
import { lifeOf, type ProjectFile } from '../worktree/project-file.ts'
import { withAdvice } from './narrower-contract.ts'
import { Refusal } from './refusal.ts'
import { findOwnBranch, type Place } from './worktree-branch.ts'

export interface Renewal {
  /** Full name of the branch. */
  readonly name: string
  /** From now on. */
  readonly life: Millis
  /** Whose rules it goes by. */
  readonly file?: ProjectFile
}

export interface AskedLife {
  readonly text: string
  /** What it is called where it was asked for. */
  readonly field: string
}

export function readLife({ text, field }: AskedLife): Millis {
  const life = parseHumanDuration(text)
  if (life !== undefined && life > 0) return life
  throw new Refusal(`${field}: ${JSON.stringify(text)} is not ${humanDurationForms}`)
}

/** Of the worktree's branch. `asked`: default: what lakelet.toml says. */
export async function ownRenewal(
  client: LakeletClient,
  { worktree, file }: Place,
  login: string,
  asked: AskedLife | undefined,
): Promise<Renewal> {
  const { name } = await findOwnBranch(client, worktree, file, login)
  const life = asked === undefined ? lifeOf(file, labelOf(worktree).text) : readLife(asked)
  if (life !== undefined) return { name, life, file }
  throw new Refusal(
    'lakelet.toml lets branches of this git branch live for ever, so there is nothing to renew',
    'Give it an end all the same: --ttl 7d',
  )
}

/** The accepted operation. By a moment: a ttl would count from the creation of the branch. */
export const renew = (client: LakeletClient, { name, life, file }: Renewal) =>
  client.branches
    .update(name, 'spec.expire_time', {
      spec: { expire_time: rfc3339(after(systemClock.now(), life)) },
    })
    .catch((error: unknown) => {
      throw withAdvice(error, { path: file?.path })
    })
