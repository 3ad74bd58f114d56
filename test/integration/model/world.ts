/**
 * What the API must show after any sequence of calls, as a small pure model: projects and what is below
 * them, by the rules of the contract and without a server. `step` answers with the error code that a
 * call must meet, or `ok`, and with the world after it.
 */
import { type BranchCall, branchStep } from './branches.ts'
import { type ContentsCall, contentsStep } from './contents.ts'
import { type EndpointCall, endpointStep } from './endpoints.ts'

export interface Endpoint {
  readonly isReader: boolean
  readonly minCu: number
  readonly maxCu: number
  /** `undefined`: never. */
  readonly suspendAfter: string | undefined
  readonly isDisabled: boolean
}

export interface Role {
  readonly name: string
  readonly createdb: boolean
  readonly isMember: boolean
}

export interface Database {
  readonly name: string
  readonly owner: string
}

type ById<T> = Readonly<Record<string, T>>

export interface Branch {
  readonly uid: number
  readonly id: string
  readonly source: { readonly uid: number; readonly id: string } | undefined
  readonly isProtected: boolean
  readonly expires: boolean
  readonly endpoints: ById<Endpoint>
  /** Beside the role of who made the project. */
  readonly roles: ById<Role>
  /** Beside `databricks-postgres`. */
  readonly databases: ById<Database>
}

export interface Project {
  readonly isDeleted: boolean
  readonly displayName: string
  readonly defaultUid: number
  readonly live: readonly Branch[]
  /** In the order of their deletion. */
  readonly deleted: readonly Branch[]
  readonly nextUid: number
}

export type World = ById<Project>

export type Outcome =
  | 'ok'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'BAD_REQUEST'
  | 'INVALID_PARAMETER_VALUE'
  | 'INVALID_STATE'

export type ProjectCall =
  | { readonly do: 'create-project' }
  | { readonly do: 'rename-project'; readonly displayName: string }
  | { readonly do: 'set-default'; readonly branch: string }
  | { readonly do: 'delete-project'; readonly purge: boolean }
  | { readonly do: 'undelete-project' }

export type Call = { readonly project: string } & (
  | ProjectCall
  | BranchCall
  | EndpointCall
  | ContentsCall
)

export const root = 'production'
export const primary = 'primary'

/** `primary` of a new branch, by the defaults of projects. */
export const defaultEndpoint: Endpoint = {
  isReader: false,
  minCu: 1,
  maxCu: 1,
  suspendAfter: '86400s',
  isDisabled: false,
}

const freshProject = (id: string): Project => ({
  isDeleted: false,
  displayName: id,
  defaultUid: 0,
  live: [
    {
      uid: 0,
      id: root,
      source: undefined,
      isProtected: false,
      expires: false,
      endpoints: { [primary]: defaultEndpoint },
      roles: {},
      databases: {},
    },
  ],
  deleted: [],
  nextUid: 1,
})

export const without = <T>(all: ById<T>, id: string): ById<T> =>
  Object.fromEntries(Object.entries(all).filter(([key]) => key !== id))

export function step(world: World, call: Call): readonly [World, Outcome] {
  const project = world[call.project]
  const put = (changed: Project): World => ({ ...world, [call.project]: changed })
  const ok = (after: World) => [after, 'ok'] as const
  const refuse = (outcome: Outcome) => [world, outcome] as const

  switch (call.do) {
    case 'create-project':
      return project === undefined ? ok(put(freshProject(call.project))) : refuse('ALREADY_EXISTS') // a deleted one holds its id
    case 'undelete-project':
      if (project === undefined) return refuse('NOT_FOUND')
      return project.isDeleted ? ok(put({ ...project, isDeleted: false })) : refuse('INVALID_STATE')
    case 'delete-project':
      if (project === undefined || (project.isDeleted && !call.purge)) return refuse('NOT_FOUND')
      if (project.live.some(({ isProtected }) => isProtected)) return refuse('BAD_REQUEST')
      return ok(call.purge ? without(world, call.project) : put({ ...project, isDeleted: true }))
    default: {
      if (project === undefined || project.isDeleted) return refuse('NOT_FOUND')
      const [after, outcome] = inside(project, call)
      return outcome === 'ok' ? ok(put(after)) : refuse(outcome)
    }
  }
}

function inside(
  project: Project,
  call: Exclude<Call, { do: 'create-project' | 'undelete-project' | 'delete-project' }>,
): readonly [Project, Outcome] {
  switch (call.do) {
    case 'rename-project':
      return [{ ...project, displayName: call.displayName }, 'ok']
    case 'set-default': {
      const branch = project.live.find(({ id }) => id === call.branch)
      if (branch === undefined) return [project, 'NOT_FOUND']
      return branch.expires
        ? [project, 'BAD_REQUEST']
        : [{ ...project, defaultUid: branch.uid }, 'ok']
    }
    case 'create-branch':
    case 'update-branch':
    case 'delete-branch':
    case 'undelete-branch':
      return branchStep(project, call)
    default: {
      const branch = project.live.find(({ id }) => id === call.branch)
      if (branch === undefined) return [project, 'NOT_FOUND']
      const [after, outcome] = below(branch, call)
      const live = project.live.map((one) => (one === branch ? after : one))
      return [{ ...project, live }, outcome]
    }
  }
}

const below = (branch: Branch, call: EndpointCall | ContentsCall): readonly [Branch, Outcome] =>
  'endpoint' in call ? endpointStep(branch, call) : contentsStep(branch, call)
