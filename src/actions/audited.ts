/**
 * Carries out an act so that it and its entry in the audit log are one transaction: both are there after
 * a crash, or neither. The act gets a catalog of its own, whose transaction writes the entry last, and
 * which refuses writes outside of it: forgetting the audit is not possible, only failing a test.
 */

import { operationName } from '../domain/operation.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { Catalog, CatalogSession, NewWork } from '../ports/catalog.ts'
import type { About, Begun } from './audit-entry.ts'
import { projectOf } from './audit-notes.ts'
import type { Services } from './services.ts'

export interface Act {
  readonly begun: Begun
  /** What is known only when it is done; `result` is that of the transaction, so of the action. */
  readonly told?: (result: unknown) => Partial<About>
}

type Needed = Pick<Services, 'catalog' | 'auditNotes'>

/** What the act does through the services that it is given is done when its entry is there. */
export async function audited<S extends Needed, T>(
  services: S,
  act: Act,
  work: (services: S) => Promise<T>,
): Promise<T> {
  const { catalog, auditNotes } = services
  const entry = new ActEntry(act)
  try {
    const result = await work({ ...services, catalog: entry.catalogAround(catalog) })
    // Nothing to write but the entry itself: a credential, which is not handed out before it.
    if (!entry.isWritten) {
      await catalog.transaction(async (session) =>
        entry.write(session, result, await entry.lookUp(session)),
      )
    }
    return result
  } catch (error) {
    auditNotes.failed(error, act.begun)
    throw error
  }
}

class ActEntry {
  readonly #act: Act
  #work: { readonly row: NewWork; readonly isDone: boolean; readonly uid?: string } | undefined
  isWritten = false

  constructor(act: Act) {
    this.#act = act
  }

  catalogAround(catalog: Catalog): Catalog {
    return {
      ...readable(catalog),
      transaction: async (work) => {
        const result = await catalog.transaction(async (session) => {
          this.#work = undefined
          const known = await this.lookUp(session)
          const inner = await work(this.#watched(session))
          if (!this.isWritten) await this.write(session, inner, known)
          return inner
        })
        this.isWritten = true
        await failpoint('audit.commit:after')
        return result
      },
    }
  }

  async write(session: CatalogSession, result: unknown, known: Known = {}): Promise<void> {
    const { begun, told } = this.#act
    const { resource = begun.resource, changed = begun.changed, ...more } = told?.(result) ?? {}
    const work = this.#work
    const resourceUid = work?.uid ?? more.resourceUid ?? begun.resourceUid ?? known.resourceUid
    const projectUid =
      work?.row.projectUid ?? known.projectUid ?? (await projectOf(session.projects, resource))
    await failpoint('audit.append:before')
    await session.audit.append({
      ...begun,
      resource,
      changed,
      details: { ...begun.details, ...more.details },
      ...(resourceUid === undefined ? {} : { resourceUid }),
      ...(projectUid === undefined ? {} : { projectUid }),
      ...(work === undefined ? {} : { operation: operationName(work.row) }),
      result: work === undefined || work.isDone ? 'succeeded' : 'accepted',
    })
    await failpoint('audit.append:after')
  }

  /** The uids of what is there before: afterwards it may be gone. */
  async lookUp(session: CatalogSession): Promise<Known> {
    const { resource } = this.#act.begun
    const [, project, branch, endpoint] =
      /^projects\/([^/]+)(?:\/branches\/([^/]+)(?:\/endpoints\/([^/]+))?)?$/.exec(resource) ?? []
    if (project === undefined) return {}
    const found = await session.projects.byId(project as never)
    if (found === undefined) return {}
    if (branch === undefined) return { projectUid: found.uid, resourceUid: found.uid }
    const ofBranch = await session.branches.byId(found.uid, branch as never)
    if (ofBranch === undefined) return { projectUid: found.uid }
    const uid =
      endpoint === undefined
        ? ofBranch.uid
        : (await session.endpoints.byId(ofBranch.uid, endpoint as never))?.uid
    return { projectUid: found.uid, ...(uid === undefined ? {} : { resourceUid: uid }) }
  }

  /** Sees which operation carries the act out. */
  #watched(session: CatalogSession): CatalogSession {
    return {
      ...session,
      work: {
        ...session.work,
        insert: async (row) => {
          this.#work ??= { row, isDone: false, ...uidOf(row, {}) }
          await session.work.insert(row)
        },
        insertDone: async (row, response) => {
          this.#work ??= { row, isDone: true, ...uidOf(row, response) }
          await session.work.insertDone(row, response)
        },
      },
    }
  }
}

interface Known {
  readonly projectUid?: string
  readonly resourceUid?: string
}

/** By the habit of every kind: the input names the subject's uid by the subject's name. */
function uidOf(
  { subject, input, projectUid }: NewWork,
  response: Readonly<Record<string, unknown>>,
): { readonly uid?: string } {
  if (subject === 'Project') return { uid: projectUid }
  const uid = input[subject.toLowerCase()] ?? response.uid
  return typeof uid === 'string' ? { uid } : {}
}

const WRITES = /^(insert|update|remove|set|save|add|revoke|replace|rename|disable|forget|append)/

/** The catalog as the act may use it outside of its transaction. */
const readable = (catalog: Catalog): Catalog =>
  Object.fromEntries(
    Object.entries(catalog).map(([name, part]: [string, unknown]) => [
      name,
      typeof part === 'object' && part !== null ? withoutWrites(name, part) : part,
    ]),
  ) as unknown as Catalog

const withoutWrites = (name: string, table: object): object =>
  Object.fromEntries(
    Object.entries(table).map(([method, call]: [string, unknown]) => [
      method,
      WRITES.test(method)
        ? () => {
            throw new Error(`an audited action writes ${name}.${method} outside of its transaction`)
          }
        : call,
    ]),
  )
