/** `lakelet up`: the server in the foreground until a signal ends it. */
import { ListenFailed } from '../api/listen.ts'
import { CatalogHeld } from '../catalog/server-lock.ts'
import { readUpFlags } from '../cli/up-flags.ts'
import { Fault } from '../domain/faults.ts'
import { readSettings } from '../lib/read-settings.ts'
import { PortTaken } from './gateway-port.ts'
import { startScreen } from './screen.ts'
import { startServer } from './server.ts'

/** Exit code: 0 after an orderly stop, 1 when the start failed. */
export async function up(argv: readonly string[]): Promise<number> {
  const stopAsked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => resolve())
    }
  })
  try {
    const settings = await readSettings({
      flags: readUpFlags(argv),
      env: process.env,
      cwd: process.cwd(),
    })
    const server = await startServer(settings)
    const command = process.env.LAKELET_COMMAND ?? 'lakelet'
    process.stdout.write(await startScreen(server.facts, command))
    await stopAsked
    process.stdout.write('\n  Stopping: sessions, computes, catalog.\n')
    await server.stop()
    return 0
  } catch (error) {
    process.stderr.write(`lakelet: ${explain(error)}\n`)
    if (process.env.LAKELET_DEBUG) console.error(error)
    return 1
  }
}

/** The sentence for a human; what lies behind it is in the log and under LAKELET_DEBUG. */
function explain(error: unknown): string {
  if (error instanceof CatalogHeld) {
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
