/** `lakelet up`: the server in the foreground until a signal ends it. */
import { ListenFailed } from '../api/listen.ts'
import { CatalogHeld } from '../catalog/server-lock.ts'
import { readUpFlags } from '../cli/up-flags.ts'
import { Fault } from '../domain/faults.ts'
import { readSettings } from '../lib/read-settings.ts'
import { type Millis, seconds, systemClock } from '../lib/time.ts'
import { PortTaken } from './gateway-port.ts'
import { startScreen } from './screen.ts'
import { startServer } from './server.ts'
import { StateDirectoryHeld } from './start-lock.ts'

/** One Ctrl-C may reach us twice: from the terminal, and passed on by `npx`. */
const sameSignal = seconds(2)

/** Exit code: 0 after an orderly stop, 1 when the start failed, 130 when a second signal cut it short. */
export async function up(argv: readonly string[]): Promise<number> {
  const stopping = new AbortController()
  let first: Millis | undefined
  const stopAsked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        const now = systemClock.monotonic()
        // What is cut short is resumed by the next start, which also takes over what still runs.
        if (first !== undefined && now - first > sameSignal) process.exit(130)
        first ??= now
        stopping.abort(new StopAsked())
        resolve()
      })
    }
  })
  try {
    const settings = await readSettings({
      flags: readUpFlags(argv),
      env: process.env,
      cwd: process.cwd(),
    })
    const server = await startServer(settings, stopping.signal)
    if (!stopping.signal.aborted) {
      const command = process.env.LAKELET_COMMAND ?? 'lakelet'
      process.stdout.write(await startScreen(server.facts, command))
    }
    await stopAsked
    process.stdout.write(
      '\n  Stopping: sessions, computes, catalog. Again: leave them as they are.\n',
    )
    await server.stop()
    return 0
  } catch (error) {
    if (error instanceof StopAsked) return 0
    process.stderr.write(`lakelet: ${explain(error)}\n`)
    if (process.env.LAKELET_DEBUG) console.error(error)
    return 1
  }
}

/** The start was cut short by a signal; what ran by then has been stopped. */
class StopAsked extends Error {
  override readonly name = 'StopAsked'
}

/** The sentence for a human; what lies behind it is in the log and under LAKELET_DEBUG. */
function explain(error: unknown): string {
  if (error instanceof CatalogHeld || error instanceof StateDirectoryHeld) {
    return `${error.message}. Stop it first (lakelet stop), or use another --state-dir.`
  }
  if (error instanceof Fault) return error.text
  if (error instanceof PortTaken || error instanceof ListenFailed) return error.message
  if (error instanceof AggregateError) return error.errors.map(explain).join('; ')
  if (error instanceof Error) {
    return error.cause instanceof Error
      ? `${error.message}: ${explain(error.cause)}`
      : error.message
  }
  return String(error)
}
