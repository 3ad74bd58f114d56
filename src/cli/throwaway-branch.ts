/**
 * A branch for one piece of work. It goes whatever happens: at the end, when the work fails, at a signal; and if we are killed, by its
 * own ttl.
 */
import { randomBytes } from 'node:crypto'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Branch } from '../client/resources.ts'
import { mayHaveNoChildren, noThrowawayOf } from './narrower-contract.ts'
import { awaitOperation } from './operation-output.ts'
import { type CliIo, note } from './terminal.ts'

export interface ThrowawaySpec {
  /** Full name of its source. */
  readonly source: string
  /** Its id begins so. */
  readonly prefix: string
  /** As the wire has it. */
  readonly ttl: string
  /** Leave it there, until its ttl ends it. */
  readonly isKept?: boolean
}

export interface ThrowawayEnd<T> {
  /** `undefined`: a signal came before the work began. */
  readonly result: T | undefined
  /** Full name. */
  readonly branch: string
  /** The signal that came meanwhile, for which nothing has been done yet but to end the work. */
  readonly stoppedBy: HeldSignal | undefined
}

export async function onThrowawayBranch<T>(
  client: LakeletClient,
  spec: ThrowawaySpec,
  io: CliIo,
  work: (branch: Branch) => Promise<T>,
): Promise<ThrowawayEnd<T>> {
  const { source, prefix, ttl, isKept = false } = spec
  const project = source.slice(0, source.indexOf('/branches/'))
  const id = `${prefix}-${randomBytes(4).toString('hex')}`
  const name = `${project}/branches/${id}`
  const { signal, letGo } = holdSignals()
  let end: string | undefined
  try {
    const body = { spec: { source_branch: source, ttl } }
    const operation = await client.branches.create(project, id, body).catch((error: unknown) => {
      throw mayHaveNoChildren(error) ? noThrowawayOf(source) : error
    })
    try {
      const made = await awaitOperation(client, operation, {}, `Branching off ${source}`, io)
      const branch = made as Branch
      end = branch.status?.expire_time
      const result = signal() === undefined ? await work(branch) : undefined
      return { result, branch: name, stoppedBy: signal() }
    } finally {
      if (isKept) note(`${name} is kept until ${end}`, io)
      else await remove(client, name, end, io)
    }
  } finally {
    letGo()
  }
}

const heldSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
type HeldSignal = (typeof heldSignals)[number]

/** From here on a signal does not end us: what was made goes first. */
function holdSignals(): { signal(): HeldSignal | undefined; letGo(): void } {
  let seen: HeldSignal | undefined
  const hold = (name: NodeJS.Signals) => {
    seen = heldSignals.find((one) => one === name)
  }
  for (const name of heldSignals) process.on(name, hold)
  return {
    signal: () => seen,
    letGo: () => {
      for (const name of heldSignals) process.off(name, hold)
    },
  }
}

/** What cannot be removed is told; the work's own result or failure goes first. */
async function remove(
  client: LakeletClient,
  name: string,
  end: string | undefined,
  io: CliIo,
): Promise<void> {
  try {
    const operation = await client.branches.delete(name, { purge: true })
    await awaitOperation(client, operation, {}, `Removing ${name}`, io)
  } catch (error) {
    const says = error instanceof Error ? error.message : String(error)
    note(`${name} is still there, until ${end ?? 'its ttl is over'}: ${says}`, io)
  }
}
