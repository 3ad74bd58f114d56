/**
 * Keeps one gateway process running: forks it, tells it where to listen, and forks another when it
 * dies. Which addresses are listened on is remembered here, so a new gateway starts where the old
 * one ended; its clients reconnect.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Services } from '../actions/services.ts'
import type { GatewayLink } from '../actions/session.ts'
import { controlGateway, type GatewayHandle, ipcTransport } from '../gateway/ipc.ts'
import { boundForeignLog, type LogBound } from '../lib/bound-log.ts'
import type { Log } from '../lib/log.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { type Clock, deadline, millis, seconds } from '../lib/time.ts'
import { type Loop, startLoop } from '../reconcile/loop.ts'

const program = fileURLToPath(new URL('./gateway-process.js', import.meta.url))

export interface GatewayHost {
  readonly door: Services['door']
  start(link: GatewayLink, addresses: readonly string[]): Promise<void>
  describe(): Record<string, unknown>
  stop(): Promise<void>
}

export function createGatewayHost(options: {
  readonly port: number
  readonly serviceUser: ServiceUser | undefined
  readonly logFile: string
  readonly logBound: LogBound
  readonly log: Log
  readonly clock: Clock
}): GatewayHost {
  const { port, serviceUser, logFile, logBound, log, clock } = options
  const addresses = new Set<string>()
  let current: { readonly child: ChildProcess; readonly handle: GatewayHandle } | undefined
  let isStopping = false
  let restarts = 0
  let bounding: Loop | undefined

  const launch = async (link: GatewayLink): Promise<void> => {
    const { LAKELET_CATALOG_URL: _, ...env } = process.env // a password that is none of its business
    const child = fork(program, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: {
        ...env,
        LAKELET_GATEWAY_LOG: logFile,
        LAKELET_GATEWAY_USER:
          serviceUser === undefined
            ? ''
            : `${serviceUser.name}:${serviceUser.uid}:${serviceUser.gid}`,
      },
    })
    child.on('error', (error) => log.error({ err: error }, 'gateway process'))
    const handle = controlGateway(ipcTransport(child), link, log)
    const launched = { child, handle }
    try {
      await handle.start({ port, addresses: [] })
      // From here on whoever adds an address reaches this gateway; it may be told of one twice.
      current = launched
      for (const { address, problem } of await handle.listen([...addresses])) {
        log.warn({ address, problem }, 'cannot listen on an address')
      }
    } catch (error) {
      if (current === launched) current = undefined
      child.kill('SIGKILL')
      throw error
    }
    const relaunch = (code: number | null, signal: NodeJS.Signals | null) => {
      if (current === launched) current = undefined
      if (isStopping) return
      log.error({ code, signal }, 'the gateway died: starting another')
      void launchAgain(link)
    }
    if (child.exitCode !== null || child.signalCode !== null) {
      relaunch(child.exitCode, child.signalCode)
    } else child.once('exit', relaunch)
  }
  /** A gateway that dies while it is asked is no failure: the next one begins with `addresses`. */
  const ask = async <T>(
    question: (handle: GatewayHandle) => Promise<T>,
  ): Promise<T | undefined> => {
    const asked = current
    if (asked === undefined) return undefined
    try {
      return await question(asked.handle)
    } catch (error) {
      if (asked.child.connected) throw error
      log.warn({ err: error }, 'the gateway died while it was asked')
      return undefined
    }
  }
  const launchAgain = async (link: GatewayLink): Promise<void> => {
    while (!isStopping) {
      try {
        restarts += 1
        await clock.sleep(millis(Math.min(5000, 50 * restarts))) // one that dies at once is no loop
        await launch(link)
        return
      } catch (error) {
        log.error({ err: error }, 'cannot start a gateway')
      }
    }
  }

  return {
    door: {
      async listen(wanted) {
        for (const address of wanted) addresses.add(address)
        return (await ask((handle) => handle.listen(wanted))) ?? []
      },
      async unlisten(unwanted) {
        for (const address of unwanted) addresses.delete(address)
        await ask((handle) => handle.unlisten(unwanted))
      },
      heldSessions: async () => (await ask((handle) => handle.heldSessions())) ?? [],
      async endHeld(ids, why) {
        await ask((handle) => handle.endHeld(ids, why))
      },
      async endSessions(endpoint) {
        await ask((handle) => handle.endSessions(endpoint))
      },
    },
    async start(link, first) {
      for (const address of first) addresses.add(address)
      await launch(link)
      // The gateway has given up the right to begin a new file.
      bounding = startLoop({
        name: 'gateway-log',
        run: async () => void (await boundForeignLog(logFile, logBound)),
        slowest: seconds(20),
        clock,
        log,
      })
    },
    describe: () => ({ pid: current?.child.pid ?? null, addresses: addresses.size, restarts }),
    async stop() {
      isStopping = true
      await bounding?.stop()
      if (current === undefined) return
      const { child, handle } = current
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit', { signal: deadline(seconds(15)) }).catch(() => {
        log.warn('the gateway does not end: killing it')
        child.kill('SIGKILL')
      })
      handle.stop().catch((error: unknown) => log.warn({ err: error }, 'stop the gateway'))
      await gone
    },
  }
}
