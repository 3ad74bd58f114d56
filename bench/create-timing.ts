/** One branch, from the request to its first row, and gone again. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, Subject } from './bench.ts'
import { connect, prepareLogin, socketOf, timeFirstRow, wake } from './login.ts'
import { startTpcb } from './pgbench.ts'
import type { Source } from './sources.ts'
import { type Asked, timingRow } from './tables.ts'

export interface CreateTiming {
  /** POST sent → accepted. */
  readonly accept: number
  /** Accepted → the operation is done. */
  readonly done: number
  /** Endpoint host and credential, two requests. */
  readonly login: number
  /** TCP, TLS, authentication, query → first row. */
  readonly row: number
  /** Accepted → first row. */
  readonly total: number
}

export const createExplained =
  'The clock starts when the answer to POST …/branches (the operation) has arrived, and stops when the first row of a SELECT on the new branch has. In between, one after the other: GET of the operation at once, repeated until done; GET of the endpoint for its host; POST of a credential; TCP, TLS with verified certificate, login and SELECT of a row of the source’s data through the gateway. The client is Node (fetch, pg) on the same machine and the same cores. Each branch is purged before the next one is made.'

let made = 0
export const freshId = (): string => {
  made += 1
  return `bench-${made}`
}

export async function timeCreate({ server }: Subject, source: Source): Promise<CreateTiming> {
  const id = freshId()
  const [project = ''] = source.name.split('/branches/')
  const sent = performance.now()
  const operation = await server.postgres('POST', `${project}/branches?branch_id=${id}`, {
    spec: { source_branch: source.name, ttl: '3600s' },
  })
  const accepted = performance.now()
  const branch = await server.follow(operation)
  const done = performance.now()
  const login = await prepareLogin(server, branch.name)
  const ready = performance.now()
  const row = await timeFirstRow(() => connect(login))
  await server.purge(branch.name)
  await delay(200) // what the purge does in the background is not part of the next create
  return {
    accept: accepted - sent,
    done: done - accepted,
    login: ready - done,
    row,
    total: ready - accepted + row,
  }
}

export type SourceState = 'suspended' | 'idle' | 'loaded'

export async function timeCreates(
  bench: Bench,
  subject: Subject,
  source: Source,
  state: SourceState,
  runs = bench.options.runs,
): Promise<CreateTiming[]> {
  const { server } = subject
  await bringTo(subject, source, state)
  const load =
    state === 'loaded' ? startTpcb({ socket: await socketOf(server, source.name) }) : undefined
  try {
    if (load !== undefined) await delay(5000)
    const timings = await bench.repeat(() => timeCreate(subject, source), runs)
    if (load !== undefined && load.child.exitCode !== null) {
      throw new Error(`the load ended before the measurement: ${(await load.ended).stderr}`)
    }
    await server.expectState(source.name, state === 'suspended' ? 'IDLE' : 'ACTIVE')
    return timings
  } finally {
    load?.child.kill('SIGTERM')
    await load?.ended
  }
}

export async function bringTo(
  { server }: Subject,
  source: Source,
  state: SourceState,
): Promise<void> {
  if (state === 'suspended') await server.suspend(source.name)
  else await wake(server, source.name)
}

/** The whole, then its parts. */
export const createRows = (
  what: string,
  timings: readonly CreateTiming[],
  asked: Asked = {},
): string[][] => {
  const of = (part: keyof CreateTiming) => timings.map((timing) => timing[part])
  return [
    timingRow(`**${what}: accepted → first row**`, of('total'), asked),
    timingRow('– accepted → done', of('done')),
    timingRow('– host and credential', of('login')),
    timingRow('– connect → first row', of('row')),
    timingRow('(before: POST → accepted)', of('accept')),
  ]
}
