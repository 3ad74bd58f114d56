/**
 * The branch that belongs to a worktree: found by its name or made, with what programs need to get in. Whatever was asked
 * for twice is made once.
 */
import type { Command } from 'commander'
import { ApiError } from '../client/api-error.ts'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Branch } from '../client/resources.ts'
import { millis, systemClock } from '../lib/time.ts'
import { branchIdFor } from '../worktree/branch-id.ts'
import { readOwnBlock } from '../worktree/env-file.ts'
import {
  branchLabel,
  findWorktree,
  labelOf,
  parentBranch,
  type Worktree,
} from '../worktree/git-worktree.ts'
import {
  type EnvField,
  expiryFor,
  findProjectFile,
  type ProjectFile,
} from '../worktree/project-file.ts'
import { WorktreeProblem } from '../worktree/worktree-problem.ts'
import { bindBranch } from './bind-branch.ts'
import { type CommandContext, sharedOptions } from './command-context.ts'
import { type Connection, clientFor, connect } from './connection.ts'
import { mayHaveNoChildren, sayEndStays, sayOtherSource, withAdvice } from './narrower-contract.ts'
import { awaitOperation } from './operation-output.ts'
import { findEndpoint, findProject, hostOf } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { type CliIo, note } from './terminal.ts'

/** Where a command was called, and what its project says. */
export interface Place {
  readonly worktree: Worktree
  readonly file: ProjectFile
}

export async function findPlace({ cwd }: Pick<CliIo, 'cwd'>): Promise<Place> {
  const worktree = await findWorktree(cwd)
  return { worktree, file: await findProjectFile(cwd, worktree.root) }
}

/** `undefined`: there is no worktree here. */
export async function placeIfAny(io: Pick<CliIo, 'cwd'>): Promise<Place | undefined> {
  try {
    return await findPlace(io)
  } catch (error) {
    if (error instanceof WorktreeProblem && error.isNoWorktree) return undefined
    throw error
  }
}

export interface Reached {
  readonly client: LakeletClient
  readonly connection: Connection
}

export async function reach(command: Command, { io }: CommandContext): Promise<Reached> {
  const options = sharedOptions(command)
  const connection = await connect(options, io)
  return { connection, client: clientFor(connection, options, io) }
}

export interface Wanted {
  /** Full name. */
  readonly project: string
  /** Id of another source than the worktree's own. */
  readonly source: string | undefined
  /** What `spec` says of its end; else the project file's rules do. */
  readonly expiry: { readonly ttl: string } | { readonly no_expiry: true } | undefined
}

export interface Found {
  readonly branch: Branch
  readonly isNew: boolean
}

/** How often a branch that somebody else is making is looked at. */
const lookAgain = millis(200)
const mostLooks = 300

export async function findOrMakeBranch(
  client: LakeletClient,
  worktree: Worktree,
  file: ProjectFile,
  login: string,
  { project, source, expiry }: Wanted,
  io: CliIo,
): Promise<Found> {
  const label = labelOf(worktree)
  const id = branchIdFor(login, label)
  const name = `${project}/branches/${id}`
  const there = await getIfThere(client, name)
  const bind = () => bindBranch(client, worktree, { branch: name, isOwn: true }, io)
  if (there !== undefined) {
    const [branch] = await Promise.all([untilReady(client, there), bind()])
    return { branch, isNew: false }
  }
  const from = source ?? (await sourceOf(client, worktree, file, login, project))
  if (from === id) throw new Refusal(`a branch cannot be its own source: ${id}`)
  const end: Readonly<Record<string, string | true>> = expiry ?? expiryFor(file, label.text)
  const create = (of: string | undefined) =>
    client.branches.create(project, id, {
      spec: { ...(of === undefined ? {} : { source_branch: `${project}/branches/${of}` }), ...end },
    })
  const isNamed = source !== undefined || file.source !== 'parent'
  try {
    const operation = await create(from).catch((error: unknown) => {
      if (from === undefined || isNamed || !mayHaveNoChildren(error)) throw error
      note(sayOtherSource(from), io)
      return create(undefined)
    })
    const [made] = await Promise.all([
      awaitOperation(client, operation, {}, `Creating ${id}`, io),
      bind(),
    ])
    const branch = made as Branch
    const ignored = sayEndStays(end, branch)
    if (ignored !== undefined) note(ignored, io)
    return { branch, isNew: true }
  } catch (error) {
    // Another run was faster; its branch is ours as well.
    if (!(error instanceof ApiError && error.status === 409)) throw withAdvice(error, file)
    const [branch] = await Promise.all([
      client.branches.get(name).then((seen) => untilReady(client, seen)),
      bind(),
    ])
    return { branch, isNew: false }
  }
}

/** Id of the source; `undefined`: the project's default branch. */
async function sourceOf(
  client: LakeletClient,
  worktree: Worktree,
  { source }: ProjectFile,
  login: string,
  project: string,
): Promise<string | undefined> {
  if (source !== 'parent') return source
  const parent = await parentBranch(worktree)
  if (parent === undefined) return undefined
  const id = branchIdFor(login, branchLabel(parent))
  return (await getIfThere(client, `${project}/branches/${id}`)) === undefined ? undefined : id
}

async function getIfThere(client: LakeletClient, name: string): Promise<Branch | undefined> {
  try {
    return await client.branches.get(name)
  } catch (error) {
    const isGone = error instanceof ApiError && error.status === 404
    if (isGone && !error.message.startsWith('project')) return undefined
    throw error // nor is its project there, which is to be told
  }
}

/** Somebody else may be making it at this moment. */
async function untilReady(client: LakeletClient, branch: Branch): Promise<Branch> {
  let seen = branch
  for (let looks = 0; looks < mostLooks; looks += 1) {
    const state = seen.status?.current_state
    if (state === undefined || state === 'READY') return seen
    await systemClock.sleep(lookAgain)
    seen = await client.branches.get(branch.name)
  }
  throw new Refusal(
    `${branch.name} is ${seen.status?.current_state} and does not become READY`,
    `See what it does: lakelet postgres get-branch ${branch.name}`,
  )
}

/** The branch that this worktree uses already: what its env file says, else the one of its name. */
export async function findOwnBranch(
  client: LakeletClient,
  worktree: Worktree,
  file: ProjectFile,
  login: string,
): Promise<Branch> {
  const block = await readOwnBlock(worktree, file)
  const name =
    block?.branch ??
    `${await findProject(client, file.project)}/branches/${branchIdFor(login, labelOf(worktree))}`
  const branch = await getIfThere(client, name)
  if (branch !== undefined) return branch
  throw new Refusal(
    block === undefined ? 'this worktree has no branch yet' : `${name} is gone: it has ended`,
    'Make one: lakelet dev',
  )
}

/** Everything that a program needs to get in, by the names of the project file. */
export async function accessTo(
  client: LakeletClient,
  { local }: Pick<Connection, 'local'>,
  branch: Branch,
  { database }: Pick<ProjectFile, 'database'>,
  login: string,
  io: CliIo,
  /** Of the credential: what narrows it. */
  narrowed: Readonly<Record<string, unknown>> = {},
): Promise<Readonly<Record<EnvField, string>>> {
  const [, project = '', , id = ''] = branch.name.split('/')
  const endpoint = await findEndpoint(client, { project, branch: id })
  const host = hostOf(endpoint.name, endpoint.status, io)
  const { token, expire_time = '' } = await client.generateDatabaseCredential({
    ...narrowed,
    endpoint: endpoint.name,
  })
  const port = String(local?.pgPort ?? (io.env.PGPORT || 5432))
  const sslrootcert = local?.caFile ?? io.env.PGSSLROOTCERT ?? ''
  const [user, password, name] = [login, token, database].map(encodeURIComponent)
  const query = new URLSearchParams({
    sslmode: 'require',
    ...(sslrootcert === '' ? {} : { sslrootcert }),
  })
  return {
    url: `postgresql://${user}:${password}@${host}:${port}/${name}?${query}`,
    host,
    port,
    database,
    user: login,
    password: token,
    sslmode: 'require',
    sslrootcert,
    branch: branch.name,
    branch_expire_time: branch.status?.expire_time ?? '',
    endpoint: endpoint.name,
    credential_expire_time: String(expire_time),
  }
}

/** As the project file names them; what is empty is left out. */
export function variablesOf(
  { env }: Pick<ProjectFile, 'env'>,
  access: Readonly<Record<EnvField, string>>,
): Readonly<Record<string, string>> {
  const pairs = Object.entries(env).map(([name, field]) => [name, access[field]] as const)
  return Object.fromEntries(pairs.filter(([, value]) => value !== ''))
}
