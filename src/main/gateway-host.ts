/**
 * Keeps one gateway process running: forks it, tells it where to listen, and forks another when it
 * dies. Which addresses are listened on is remembered here, so a new gateway starts where the old
 * one ended; its clients reconnect.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { GatewayControl, GatewayLink } from '../actions/session.ts'
import { controlGateway, type GatewayHandle, ipcTransport } from '../gateway/ipc.ts'
import type { Log } from '../lib/log.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { type Clock, deadline, millis, seconds } from '../lib/time.ts'

const program = fileURLToPath(new URL('./gateway-process.js', import.meta.url))

export interface GatewayHost {
  readonly door: Pick<GatewayControl, 'listen' | 'unlisten' | 'endSessions'>
  start(link: GatewayLink, addresses: readonly string[]): Promise<void>
  describe(): Record<string, unknown>
  stop(): Promise<void>
}

export function createGatewayHost(options: {
  readonly port: number
  readonly serviceUser: ServiceUser | undefined
  readonly logFile: string
  readonly log: Log
  readonly clock: Clock
}): GatewayHost {
  const { port, serviceUser, logFile, log, clock } = options
  const addresses = new Set<string>()
  let current: { readonly child: ChildProcess; readonly handle: GatewayHandle } | undefined
  let isStopping = false
  let restarts = 0

  const launch = async (link: GatewayLink): Promise<void> => {
    const child = fork(program, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: {
        ...process.env,
        LAKELET_GATEWAY_LOG: logFile,
        LAKELET_GATEWAY_USER:
          serviceUser === undefined
            ? ''
            : `${serviceUser.name}:${serviceUser.uid}:${serviceUser.gid}`,
      },
    })
    child.on('error', (error) => log.error({ err: error }, 'gateway process'))
    const handle = controlGateway(ipcTransport(child), link, log)
    await handle.start({ port, addresses: [] })
    for (const { address, problem } of await handle.listen([...addresses])) {
      log.warn({ address, problem }, 'cannot listen on an address')
    }
    current = { child, handle }
    child.once('exit', (code, signal) => {
      if (current?.child === child) current = undefined
      if (isStopping) return
      log.error({ code, signal }, 'the gateway died: starting another')
      void launchAgain(link)
    })
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
        return (await current?.handle.listen(wanted)) ?? []
      },
      async unlisten(unwanted) {
        for (const address of unwanted) addresses.delete(address)
        await current?.handle.unlisten(unwanted)
      },
      async endSessions(endpoint) {
        await current?.handle.endSessions(endpoint)
      },
    },
    async start(link, first) {
      for (const address of first) addresses.add(address)
      await launch(link)
    },
    describe: () => ({ pid: current?.child.pid ?? null, addresses: addresses.size, restarts }),
    async stop() {
      isStopping = true
      if (current === undefined) return
      const { child, handle } = current
      const gone = once(child, 'exit', { signal: deadline(seconds(15)) })
      await handle.stop().catch((error: unknown) => log.warn({ err: error }, 'stop the gateway'))
      await gone.catch(() => child.kill('SIGKILL'))
    },
  }
}
