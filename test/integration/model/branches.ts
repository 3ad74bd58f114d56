/** Branches in the model: contract 3. */
import { type Branch, defaultEndpoint, type Outcome, type Project, primary } from './world.ts'

export type End = 'ttl' | 'never' | 'unsaid'

export type BranchCall =
  | {
      readonly do: 'create-branch'
      readonly branch: string
      readonly source: string | undefined
      readonly end: End
      readonly isProtected: boolean
      readonly replace: boolean
    }
  | {
      readonly do: 'update-branch'
      readonly branch: string
      readonly end: End
      readonly isProtected: boolean | undefined
    }
  | { readonly do: 'delete-branch'; readonly branch: string; readonly purge: boolean }
  | { readonly do: 'undelete-branch'; readonly branch: string }

export function branchStep(project: Project, call: BranchCall): readonly [Project, Outcome] {
  const refuse = (outcome: Outcome) => [project, outcome] as const
  const live = project.live.find(({ id }) => id === call.branch)
  const restorable = project.deleted.findLast(({ id }) => id === call.branch)
  const isDefault = live !== undefined && live.uid === project.defaultUid

  const change = (branch: Branch, end: End, wanted: boolean | undefined) => {
    const isProtected = wanted ?? branch.isProtected
    const expires = end === 'unsaid' ? branch.expires : end === 'ttl'
    const mayNotEnd = isProtected || isDefault || branch.source === undefined
    if (end === 'ttl' && mayNotEnd) return refuse('BAD_REQUEST')
    if (isProtected && !branch.isProtected && !mayProtect(project, branch, expires)) {
      return refuse('BAD_REQUEST')
    }
    const changed = { ...branch, isProtected, expires }
    const all = project.live.map((one) => (one === branch ? changed : one))
    return [{ ...project, live: all }, 'ok'] as const
  }

  switch (call.do) {
    case 'create-branch': {
      if (live !== undefined) {
        if (!call.replace) return refuse('ALREADY_EXISTS')
        if (call.source !== undefined && call.source !== live.source?.id) {
          return refuse('INVALID_PARAMETER_VALUE')
        }
        return change(live, call.end, call.isProtected)
      }
      if (call.end === 'unsaid') return refuse('INVALID_PARAMETER_VALUE')
      const expires = call.end === 'ttl'
      if (call.isProtected && !mayProtect(project, undefined, expires)) return refuse('BAD_REQUEST')
      const source = project.live.find(({ id, uid }) =>
        call.source === undefined ? uid === project.defaultUid : id === call.source,
      )
      if (source === undefined) return refuse('NOT_FOUND')
      const made: Branch = {
        uid: project.nextUid,
        id: call.branch,
        source: { uid: source.uid, id: source.id },
        isProtected: call.isProtected,
        expires,
        endpoints: { [primary]: defaultEndpoint },
        roles: source.roles,
        databases: source.databases,
      }
      return [{ ...project, live: [...project.live, made], nextUid: project.nextUid + 1 }, 'ok']
    }
    case 'update-branch':
      return live === undefined ? refuse('NOT_FOUND') : change(live, call.end, call.isProtected)
    case 'delete-branch': {
      if (live === undefined) {
        if (!call.purge || restorable === undefined) return refuse('NOT_FOUND')
        return [{ ...project, deleted: project.deleted.filter((b) => b !== restorable) }, 'ok']
      }
      const hasChildren = project.live.some(({ source }) => source?.uid === live.uid)
      if (live.isProtected || isDefault || live.source === undefined || hasChildren) {
        return refuse('BAD_REQUEST')
      }
      return [
        {
          ...project,
          live: project.live.filter((b) => b !== live),
          deleted: call.purge ? project.deleted : [...project.deleted, live],
        },
        'ok',
      ]
    }
    case 'undelete-branch':
      if (restorable === undefined) {
        return refuse(live === undefined ? 'NOT_FOUND' : 'INVALID_STATE')
      }
      if (live !== undefined) return refuse('ALREADY_EXISTS')
      return [
        {
          ...project,
          live: [...project.live, { ...restorable, expires: false }],
          deleted: project.deleted.filter((b) => b !== restorable),
        },
        'ok',
      ]
  }
}

/** One of a project, and none that ends. */
const mayProtect = (project: Project, self: Branch | undefined, expires: boolean): boolean =>
  !expires && !project.live.some((branch) => branch.isProtected && branch !== self)
