#!/usr/bin/env node
/**
 * The gateway's process, forked by the server. Everything is loaded while we are who the server is;
 * then a root process becomes the service user for good, before a single byte of a client is read.
 */
import { gatewayProcess, ipcTransport } from '../gateway/ipc.ts'
import { createLog } from '../lib/log.ts'
import { systemClock } from '../lib/time.ts'

const { LAKELET_GATEWAY_LOG: logFile, LAKELET_GATEWAY_USER: user } = process.env
// Ctrl-C reaches the whole foreground group; how the gateway ends is the server's to say.
process.on('SIGINT', () => undefined)
process.on('SIGHUP', () => undefined)

const log = createLog('gateway', logFile)
if (user !== undefined && user !== '' && process.getuid?.() === 0) {
  const [, uid, gid] = user.split(':')
  process.setgroups?.([Number(gid)])
  process.setgid?.(Number(gid))
  process.setuid?.(Number(uid))
}
process.on('uncaughtException', (error) => {
  log.fatal({ err: error }, 'the gateway ends: an error nobody handled')
  process.exit(70)
})

await gatewayProcess({ transport: ipcTransport(process), log, clock: systemClock })
process.exit(0)
