/** Opens an address in the browser of this desktop, if there is one. */
import { spawn } from 'node:child_process'
import type { CliIo } from './terminal.ts'

/** `BROWSER` as elsewhere; `false`: none could be started, so the person opens it. */
export function openBrowser(url: string, { env }: Pick<CliIo, 'env'>): Promise<boolean> {
  const program = env.BROWSER || programHere(env)
  if (program === undefined) return Promise.resolve(false)
  return new Promise((resolve) => {
    // An argument, never a shell's text; and a browser that lives on does not keep us.
    const child = spawn(program, [url], { stdio: 'ignore', detached: true, env: process.env })
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
}

function programHere(env: CliIo['env']): string | undefined {
  if (process.platform === 'darwin') return 'open'
  const hasDisplay = Boolean(env.DISPLAY || env.WAYLAND_DISPLAY)
  return process.platform === 'linux' && hasDisplay ? 'xdg-open' : undefined
}
