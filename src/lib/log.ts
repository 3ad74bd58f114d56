/** Structured logs: JSON lines with secrets redacted by path as a second net under `Secret`. */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { type Logger, pino } from 'pino'
import { type LogBound, putLogAside } from './bound-log.ts'

export type Log = Logger

/** `bound`: for a file that nobody bounds from outside. */
export function createLog(name: string, destination?: string, bound?: LogBound): Log {
  const options = {
    name,
    level: process.env.LAKELET_LOG_LEVEL ?? 'info',
    redact: {
      paths: ['token', 'password', 'secret', '*.token', '*.password', '*.secret', 'authorization'],
      censor: '[redacted]',
    },
    formatters: { level: (label: string) => ({ level: label }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
  }
  if (destination === undefined) return pino(options)
  // Opened now, so that a process may give up its rights afterwards; written at once, so that what was
  // logged before a crash is there to read. A full disk loses lines and hurts nobody who logs.
  let file = openSync(destination, 'a', 0o600)
  let size = fstatSync(file).size
  const makeRoom = (bytes: number): void => {
    if (bound === undefined || size === 0 || size + bytes <= bound.bytes) return
    putLogAside(destination, bound)
    const full = file
    file = openSync(destination, 'a', 0o600)
    size = 0
    closeSync(full)
  }
  return pino(options, {
    write(line: string) {
      try {
        const bytes = Buffer.byteLength(line)
        makeRoom(bytes)
        writeSync(file, line)
        size += bytes
      } catch {
        // There is no room for it, and nowhere else to say so.
      }
    },
  })
}
