/**
 * Requests at a fixed rate, whatever the answers take: each is timed from the moment at which it was due,
 * so that a server which stalls is charged for everyone who had to wait.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { LakeletServer } from './lakelet-server.ts'

export interface LoadResult {
  /** Milliseconds by kind of request. */
  readonly reads: Readonly<Record<string, readonly number[]>>
  readonly writes: Readonly<Record<string, readonly number[]>>
}

export interface Plan {
  readonly project: string
  /** Ids of branches that are there, all suspended. */
  readonly branches: readonly string[]
  /** Name of a branch that is awake. */
  readonly awake: string
  readonly perSecond: number
  readonly seconds: number
}

type Request = (server: LakeletServer, turn: number) => Promise<unknown>

/** Each of the reads in turn, and after every fourth of them one of the writes in turn. */
export async function runLoad(server: LakeletServer, plan: Plan): Promise<LoadResult> {
  const branch = (turn: number) =>
    `${plan.project}/branches/${plan.branches[turn % plan.branches.length]}`
  const get = (path: (turn: number) => string): Request => {
    return (to, turn) => to.postgres('GET', path(turn))
  }
  const patch = (path: (turn: number) => string, mask: string, spec: unknown): Request => {
    return (to, turn) => to.postgres('PATCH', `${path(turn)}?update_mask=${mask}`, { spec })
  }
  const reads: Readonly<Record<string, Request>> = {
    'GET of a project': get(() => plan.project),
    'GET of a branch': get(branch),
    'GET of an endpoint': get((turn) => `${branch(turn)}/endpoints/primary`),
    'List of endpoints': get((turn) => `${branch(turn)}/endpoints`),
    'List of 100 branches': get(() => `${plan.project}/branches?page_size=100`),
    'List of projects': get(() => 'projects'),
    // What lives in the branch's own Postgres, of one that is awake.
    'List of roles': get(() => `${plan.awake}/roles`),
    'List of databases': get(() => `${plan.awake}/databases`),
    'Who am I': (to) => to.api('GET', '/api/2.0/preview/scim/v2/Me'),
  }
  let made = 0
  const writes: Readonly<Record<string, Request>> = {
    'PATCH of a branch': patch(branch, 'spec.expiration', { ttl: '7200s' }),
    'PATCH of a project': patch(() => plan.project, 'spec.display_name', { display_name: 'Many' }),
    'PATCH of an endpoint': patch(
      (turn) => `${branch(turn)}/endpoints/primary`,
      'spec.autoscaling_limit_max_cu',
      { autoscaling_limit_max_cu: 2 },
    ),
    Credential: (to, turn) =>
      to.postgres('POST', 'credentials', { endpoint: `${branch(turn)}/endpoints/primary` }),
    'POST of a branch': (to) => {
      made += 1
      return to.postgres('POST', `${plan.project}/branches?branch_id=load-${made}`, {
        spec: { ttl: '3600s' },
      })
    },
    'DELETE of a branch': (to) =>
      to.postgres('DELETE', `${plan.project}/branches/load-${made}?purge=true`),
  }
  const result = { reads: emptyBy(reads), writes: emptyBy(writes) }
  const pending: Promise<void>[] = []
  const interval = 1000 / plan.perSecond
  const total = plan.perSecond * plan.seconds
  const begun = performance.now()
  for (let turn = 0; turn < total; turn += 1) {
    const due = begun + turn * interval
    await delay(Math.max(0, due - performance.now()))
    const isWrite = turn % 5 === 4
    const [kinds, samples] = isWrite ? [writes, result.writes] : [reads, result.reads]
    const names = Object.keys(kinds)
    const name =
      names[
        isWrite ? Math.floor(turn / 5) % names.length : (turn - Math.floor(turn / 5)) % names.length
      ] ?? ''
    const sent = kinds[name]?.(server, turn)
    pending.push(
      Promise.resolve(sent).then(() => void samples[name]?.push(performance.now() - due)),
    )
  }
  await Promise.all(pending)
  return result
}

const emptyBy = (kinds: Readonly<Record<string, Request>>): Record<string, number[]> =>
  Object.fromEntries(Object.keys(kinds).map((name) => [name, []]))
