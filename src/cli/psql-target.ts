/**
 * Which branch or endpoint is meant, as `lakelet psql` and the commands of a branch take it: a full endpoint or branch name, `PROJECT/BRANCH`, a bare branch
 * id, or nothing at all when there is only one to mean.
 */
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Endpoint } from '../client/resources.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

export interface Target {
  readonly project?: string
  readonly branch?: string
  readonly endpoint?: string
}

/** How commands of a branch name it. */
export const branchArgument = [
  '<BRANCH>',
  'PROJECT/BRANCH, projects/PROJECT/branches/BRANCH, or the id in the only project',
] as const

/** Pure: what the words on the line say, the flags filling what TARGET leaves open. */
export function readTarget(text: string | undefined, flags: Target): Target {
  const named = text === undefined ? {} : parseTarget(text)
  for (const key of ['project', 'branch'] as const) {
    if (named[key] !== undefined && flags[key] !== undefined && named[key] !== flags[key]) {
      throw new Refusal(`TARGET says ${key} ${named[key]}, but --${key} says ${flags[key]}`)
    }
  }
  return { ...flags, ...named }
}

function parseTarget(text: string): Target {
  const full = /^projects\/([^/]+)(?:\/branches\/([^/]+)(?:\/endpoints\/([^/]+))?)?$/.exec(text)
  const short = full ?? /^(?:([^/]+)\/)?([^/]+)$/.exec(text)
  if (short === null) {
    throw new Refusal(
      `${JSON.stringify(text)} names no branch`,
      'Give PROJECT/BRANCH, projects/PROJECT/branches/BRANCH, or a full endpoint name.',
    )
  }
  const [, project, branch, endpoint] = short
  return {
    ...(project === undefined ? {} : { project }),
    ...(branch === undefined ? {} : { branch }),
    ...(endpoint === undefined ? {} : { endpoint }),
  }
}

/** Asks the server for what the target leaves open; one candidate is taken, several are listed. */
export async function findEndpoint(client: LakeletClient, target: Target): Promise<Endpoint> {
  const branch = await findBranch(client, target)
  if (target.endpoint !== undefined) {
    return client.endpoints.get(`${branch}/endpoints/${target.endpoint}`)
  }
  const endpoints: Endpoint[] = []
  for await (const endpoint of client.endpoints.list(branch)) endpoints.push(endpoint)
  const chosen =
    endpoints.find(({ status }) => status?.endpoint_type === 'ENDPOINT_TYPE_READ_WRITE') ??
    endpoints[0]
  if (chosen === undefined) throw new Refusal(`${branch} has no endpoint`)
  return chosen
}

/** Where clients connect to it. An endpoint that sleeps is told of on a terminal: the connection wakes it. */
export function hostOf(
  name: string,
  status: { readonly current_state?: string; readonly hosts?: { readonly host?: string } } = {},
  io: CliIo,
): string {
  const { current_state: state = 'unknown', hosts } = status
  if ((state !== 'ACTIVE' && state !== 'IDLE') || hosts?.host === undefined) {
    throw new Refusal(
      `endpoint is not ready for accepting connections: ${name} is ${state}`,
      'Try again in a moment.',
    )
  }
  if (state === 'IDLE' && io.stderr.isTTY) io.stderr.write('The endpoint is idle, waking up…\n')
  return hosts.host
}

/** Full name of the branch that is meant. */
export async function findBranch(client: LakeletClient, target: Target): Promise<string> {
  const project = await findProject(client, target.project)
  return target.branch === undefined
    ? await only('branch', client.branches.list(project))
    : `${project}/branches/${target.branch}`
}

/** Full name of the project of this id, or of the only one. */
export const findProject = async (
  client: LakeletClient,
  id: string | undefined,
): Promise<string> =>
  id === undefined ? only('project', client.projects.list('')) : `projects/${id}`

async function only(noun: string, list: AsyncIterable<{ readonly name: string }>): Promise<string> {
  const names: string[] = []
  for await (const { name } of list) names.push(name)
  const [first, second] = names
  if (first === undefined) {
    throw new Refusal(`there is no ${noun} yet`, `Create one: lakelet postgres create-${noun}`)
  }
  if (second === undefined) return first
  const ids = names.slice(0, 20).map((name) => name.slice(name.lastIndexOf('/') + 1))
  const rest = names.length > ids.length ? `, and ${names.length - ids.length} more` : ''
  throw new Refusal(
    `there are ${names.length} to choose from: ${ids.join(', ')}${rest}`,
    `Say which ${noun}: PROJECT/BRANCH, or --${noun} where the command has it.`,
  )
}
