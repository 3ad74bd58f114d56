/** Reading the audit log: administrators all of it, whoever manages a project that of the project. */
import { Fault } from '../domain/faults.ts'
import { parseProjectId } from '../domain/names.ts'
import { decodePageToken, encodePageToken } from '../domain/page.ts'
import type { AuditQuery, AuditVerification, RecordedEntry } from '../ports/audit.ts'
import { allow, may, mustBeAllowed } from './access.ts'
import type { Caller, Listing, Page } from './actions.ts'
import type { Services } from './services.ts'

export type AuditFilter = Omit<AuditQuery, 'project' | 'before' | 'limit'>

const list = 'audit'

export async function listAudit(
  { catalog, auditNotes }: Pick<Services, 'catalog' | 'auditNotes'>,
  caller: Caller,
  filter: AuditFilter,
  page: Page,
): Promise<Listing<RecordedEntry>> {
  const project = caller.identity.isAdmin ? undefined : await managed(catalog, caller, filter)
  await auditNotes.settle() // what was refused a moment ago is there to be read
  const before =
    page.token === undefined ? undefined : Number(decodePageToken(list, page.token)) || 0
  const lines = await catalog.audit.list({ ...filter, project, before, limit: page.size + 1 })
  const items = lines.slice(0, page.size)
  const last = items.at(-1)
  return {
    items,
    nextPageToken:
      lines.length > page.size && last !== undefined
        ? encodePageToken(list, String(last.seq))
        : undefined,
  }
}

/** Also of a deleted project: who deleted it is what people ask. */
async function managed(catalog: Services['catalog'], caller: Caller, { resource }: AuditFilter) {
  const id = /^projects\/([^/]+)/.exec(resource ?? '')?.[1]
  if (id === undefined) {
    throw new Fault('AUDIT_NEEDS_PROJECT', { who: caller.identity.loginName })
  }
  const project = await catalog.projects.byId(parseProjectId(id))
  if (project === undefined) throw new Fault('PROJECT_NOT_FOUND')
  await allow(catalog, project, may(caller, 'listAudit'))
  return project.uid
}

export async function verifyAudit(
  { catalog }: Pick<Services, 'catalog'>,
  caller: Caller,
  kept: { readonly seq: number; readonly hash: string } | undefined,
): Promise<AuditVerification> {
  mustBeAllowed(caller, 'verifyAudit')
  return catalog.audit.verify(kept)
}
