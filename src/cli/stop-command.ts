/** `lakelet stop`: asks the server of this machine to end, and waits until it has. */
import { parseHumanDuration } from '../lib/human-duration.ts'
import { millis, systemClock } from '../lib/time.ts'
import { type FillCommand, sharedOptions } from './command-context.ts'
import { settingFlags } from './connection.ts'
import { findStateDir, isRunning, readLocalServer } from './local-server.ts'
import { Refusal } from './refusal.ts'

export const fillStop: FillCommand = (command, { io }) => {
  command
    .option('--timeout <time>', 'how long to wait for its end', '60s')
    .action(async ({ timeout }: { readonly timeout: string }) => {
      const patience = parseHumanDuration(timeout)
      if (patience === undefined) throw new Refusal(`--timeout: ${timeout} is not a time like 30s`)
      const stateDir = await findStateDir(settingFlags(sharedOptions(command)), io)
      const server = await readLocalServer(stateDir)
      if (server === undefined || !(await isRunning(server))) {
        io.stderr.write(`No Lakelet server is running with the state directory ${stateDir}.\n`)
        return
      }
      signalEnd(server.pid)
      const clock = systemClock
      const end = clock.monotonic() + patience
      while (await isRunning(server)) {
        if (clock.monotonic() >= end) {
          throw new Refusal(
            `the server (process ${server.pid}) has not ended within ${timeout}`,
            `It was asked to and may still be finishing work. Its log is in ${stateDir}/log.`,
          )
        }
        await clock.sleep(millis(50))
      }
      io.stderr.write(
        `Stopped the Lakelet server of ${stateDir}: process ${server.pid}, API port ${server.apiPort}, Postgres port ${server.pgPort}.\n`,
      )
    })
}

function signalEnd(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ESRCH') return // it ended by itself meanwhile
    if (code === 'EPERM') {
      throw new Refusal(
        `process ${pid} belongs to another user`,
        'Run this as the user who runs the server.',
      )
    }
    throw error
  }
}
