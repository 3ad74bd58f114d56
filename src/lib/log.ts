/** Structured logs: JSON lines with secrets redacted by path as a second net under `Secret`. */
import { openSync, writeSync } from 'node:fs'
import { type Logger, pino } from 'pino'

export type Log = Logger

export function createLog(name: string, destination?: string): Log {
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
  const file = openSync(destination, 'a', 0o600)
  return pino(options, {
    write(line: string) {
      try {
        writeSync(file, line)
      } catch {
        // There is no room for it, and nowhere else to say so.
      }
    },
  })
}
