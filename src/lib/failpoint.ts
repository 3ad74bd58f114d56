/**
 * Named places where a test may make the process die, fail or wait. Set by `LAKELET_FAILPOINTS`,
 * a comma-joined list of `name=kill | name=error | name=sleep:MS`, optionally `name=kill@N` for the
 * N-th passage only (from 1); or by a file with such a list, `LAKELET_FAILPOINTS_FILE`, which is looked at
 * in each passage, so that a test arms a server that runs. Without both a failpoint costs nothing.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { appendFileSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

type Act =
  | { readonly kind: 'kill' }
  | { readonly kind: 'error' }
  | { readonly kind: 'sleep'; ms: number }
interface Armed {
  readonly act: Act
  readonly on: number | undefined
  passages: number
}

const armed = new Map<string, Armed>()
/** Where a test reads which failpoints exist: each first passage since the last arming is a line. */
const trace = process.env.LAKELET_FAILPOINT_TRACE
const traced = new Set<string>()
const file = process.env.LAKELET_FAILPOINTS_FILE
let list: string | undefined

function arm(text: string): void {
  if (text === list) return
  list = text
  armed.clear()
  traced.clear()
  for (const entry of text.trim().split(',').filter(Boolean)) {
    const match = /^([^=]+)=(kill|error|sleep:(\d+))(?:@(\d+))?$/.exec(entry)
    if (match === null) throw new Error(`LAKELET_FAILPOINTS: cannot read ${JSON.stringify(entry)}`)
    const [, name = '', kind = '', ms, on] = match
    const act: Act = kind.startsWith('sleep')
      ? { kind: 'sleep', ms: Number(ms) }
      : { kind: kind === 'kill' ? 'kill' : 'error' }
    armed.set(name, { act, on: on === undefined ? undefined : Number(on), passages: 0 })
  }
}
arm(process.env.LAKELET_FAILPOINTS ?? '')

const isInUse = armed.size > 0 || trace !== undefined || file !== undefined
const scopes = new AsyncLocalStorage<string>()

/**
 * What happens inside passes failpoints of its own names, `scope/name`, and leaves no trace: work that the
 * server does beside what a test looks at must not meet what that test armed.
 */
export const inFailpointScope = <T>(scope: string, work: () => Promise<T>): Promise<T> =>
  isInUse ? scopes.run(scope, work) : work()

/** Passes at once unless a test armed this name. */
export async function failpoint(plain: string): Promise<void> {
  if (!isInUse) return
  if (file !== undefined) arm(readFileSync(file, 'utf8'))
  const scope = scopes.getStore()
  const name = scope === undefined ? plain : `${scope}/${plain}`
  if (scope === undefined && trace !== undefined && !traced.has(name)) {
    traced.add(name)
    appendFileSync(trace, `${name}\n`)
  }
  const found = armed.get(name)
  if (found === undefined) return
  found.passages += 1
  if (found.on !== undefined && found.passages !== found.on) return
  switch (found.act.kind) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL')
      await new Promise(() => undefined) // the signal is on its way
      return
    case 'error':
      throw new Error(`failpoint ${name}`)
    case 'sleep':
      await delay(found.act.ms)
  }
}
