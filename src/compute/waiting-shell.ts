/**
 * A shell that waits, in the user, session and environment of a postmaster, for what to become. To fork a
 * server of 200 MB takes 4 to 9 ms in which it answers nobody; so that is done before a start, while the start before
 * it waits for Postgres, and the start itself is a write to a pipe. A shell whose server has ended
 * reads the end of its pipe, and ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { finished } from 'node:stream/promises'
import type { ServiceUser } from '../lib/service-user.ts'

export interface Becoming {
  readonly program: string
  readonly args: readonly string[]
  /** Appended to; the service user may write to it. */
  readonly log: string
}

/** Lines: log, program, arguments, an empty one. Whatever is not whole becomes nothing. */
const script = `
next() { IFS= read -r line || exit 0; }
next; log=$line
next; program=$line
next; while [ -n "$line" ]; do set -- "$@" "$line"; next; done
exec "$program" "$@" </dev/null >>"$log" 2>&1`

export class WaitingShell {
  readonly #serviceUser: ServiceUser | undefined
  #spare: ChildProcess | undefined
  #isClosed = false

  constructor(serviceUser: ServiceUser | undefined) {
    this.#serviceUser = serviceUser
  }

  /** The process that becomes the program; its pid stays. Rejects when there can be no process. */
  async become({ program, args, log }: Becoming): Promise<ChildProcess> {
    const lines = [log, program, ...args]
    if (lines.some((line) => line === '' || line.includes('\n'))) {
      throw new Error(`not one line each: ${JSON.stringify(lines)}`)
    }
    for (;;) {
      const spare = this.#spare
      this.#spare = undefined
      const shell = spare ?? (await this.#spawn())
      if (await said(shell, `${lines.join('\n')}\n\n`)) {
        this.#prepare()
        return shell
      }
      // Somebody ended the one that waited. A fresh one that cannot be told is told of by its exit.
      if (spare === undefined) return shell
    }
  }

  close(): void {
    this.#isClosed = true
    this.#spare?.stdin?.end()
    this.#spare = undefined
  }

  /** After this turn: whoever started the postmaster has something to wait for by then. */
  #prepare(): void {
    setImmediate(async () => {
      if (this.#isClosed || this.#spare !== undefined) return
      const shell = await this.#spawn().catch(() => undefined) // the next start meets it again
      if (shell === undefined) return
      if (this.#isClosed || this.#spare !== undefined) shell.stdin?.end()
      else this.#spare = shell
    })
  }

  async #spawn(): Promise<ChildProcess> {
    const user = this.#serviceUser
    const shell = spawn('/bin/sh', ['-c', script], {
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
      // Nothing of the server's own environment: no LD_LIBRARY_PATH, no PG* variables, no secrets.
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    })
    await new Promise((resolve, reject) => {
      shell.once('error', reject)
      shell.once('spawn', resolve)
    })
    shell.once('exit', () => {
      if (this.#spare === shell) this.#spare = undefined
    })
    shell.stdin?.on('error', () => undefined) // whoever writes is told by `finished`
    // The server may end before either.
    shell.unref()
    if (shell.stdin !== null && 'unref' in shell.stdin) (shell.stdin as { unref(): void }).unref()
    return shell
  }
}

async function said({ stdin }: ChildProcess, lines: string): Promise<boolean> {
  if (stdin === null) return false
  stdin.end(lines)
  try {
    await finished(stdin, { readable: false })
    return true
  } catch {
    return false
  }
}
