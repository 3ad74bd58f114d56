/**
 * The branches of one test run. Each has a short end that is moved on while the run lives: what a run that was killed leaves behind
 * is gone by itself soon after.
 */
import { ApiError } from '../client/api-error.ts'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Branch } from '../client/resources.ts'
import { toWireDuration } from '../lib/human-duration.ts'
import {
  after,
  type EpochMs,
  epochMs,
  type Millis,
  millis,
  minutes,
  rfc3339,
  systemClock,
  timer,
} from '../lib/time.ts'
import type { Access } from '../testing/claim-socket.ts'
import type { EnvField, ProjectFile } from '../worktree/project-file.ts'
import type { Connection } from './connection.ts'
import type { CliIo } from './terminal.ts'
import { accessTo } from './worktree-branch.ts'

export type Fields = Readonly<Record<EnvField, string>>

/** How long before its end a credential is replaced where somebody holds it. */
export const renewBefore = minutes(15)
/** One that is handed out is good for longer than that. */
const freshFor = minutes(20)

export interface TestRun {
  readonly client: LakeletClient
  readonly connection: Pick<Connection, 'local'>
  /** Full name. */
  readonly project: string
  readonly login: string
  readonly file: ProjectFile
  /** How long a branch of it lives without us. */
  readonly life: Millis
  readonly io: CliIo
  readonly onTrouble: (error: unknown) => void
}

export class TestBranches {
  readonly #run: TestRun
  /** Full names, in the order in which they were made. */
  readonly #made = new Set<string>()
  readonly #fields = new Map<string, Promise<Fields>>()
  #renewal: { cancel(): void } | undefined
  #isOver = false

  constructor(run: TestRun) {
    this.#run = run
    this.#renewLater()
  }

  /** `source`: full name; `undefined`: the project's default branch. */
  async make(id: string, source: string | undefined): Promise<Branch> {
    const { client, project, life } = this.#run
    const spec = {
      ...(source === undefined ? {} : { source_branch: source }),
      ttl: toWireDuration(life),
    }
    const operation = await client.branches.create(project, id, { spec })
    const name = `${project}/branches/${id}`
    this.#made.add(name) // from here on it may be there
    return (await client.wait(operation)) as Branch
  }

  async remove(name: string): Promise<void> {
    const { client } = this.#run
    try {
      await client.wait(await client.branches.delete(name, { purge: true }))
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error // it has ended
    }
    this.#made.delete(name)
    this.#fields.delete(name)
  }

  /** With a credential that is good for longer than `renewBefore`. */
  async fieldsOf(branch: Branch): Promise<Fields> {
    const known = await this.#fields.get(branch.name)
    if (known !== undefined && endOf(known) - systemClock.now() > freshFor) return known
    const { client, connection, file, login, io } = this.#run
    const asked = accessTo(client, connection, branch, file, login, io)
    this.#fields.set(branch.name, asked)
    asked.catch(() => this.#fields.delete(branch.name))
    return asked
  }

  /** What is left is removed, children before their sources. */
  async end(): Promise<void> {
    this.#isOver = true
    this.#renewal?.cancel()
    for (const name of [...this.#made].reverse()) {
      await this.remove(name).catch(this.#run.onTrouble)
    }
  }

  #renewLater(): void {
    this.#renewal = timer(millis(this.#run.life / 3), () => {
      this.#renew().then(() => {
        if (!this.#isOver) this.#renewLater()
      }, this.#run.onTrouble)
    })
  }

  /** A failure is told; the next turn comes long before the end. */
  async #renew(): Promise<void> {
    const { client, life, onTrouble } = this.#run
    for (const name of this.#made) {
      const spec = { expire_time: rfc3339(after(systemClock.now(), life)) }
      await client.branches.update(name, 'spec.expire_time', { spec }).catch((error: unknown) => {
        if (this.#made.has(name)) onTrouble(error)
      })
    }
  }
}

const endOf = ({ credential_expire_time }: Fields): EpochMs =>
  epochMs(new Date(credential_expire_time).getTime())

/** The same, in another database of the branch. */
export function inDatabase(fields: Fields, database: string): Fields {
  const url = new URL(fields.url)
  url.pathname = `/${encodeURIComponent(database)}`
  return { ...fields, database, url: url.href }
}

/** What a worker is told. */
export const accessFrom = (
  fields: Fields,
  variables: Readonly<Record<string, string>>,
): Access => ({
  credentialEnds: endOf(fields),
  line: { ...fields, variables },
})
