/** Runs an example's server for a while. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts the command with PORT, waits for `/health`, and ends it after `work(url)`. */
export async function whileServing(command, args, { cwd, env }, work) {
  const port = await freePort()
  const child = spawn(command, args, {
    cwd,
    env: { ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  }
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const url = `http://127.0.0.1:${port}`
  try {
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(`${url}/health`).catch(() => undefined)
      if (answer?.ok) break
      if (child.exitCode !== null || tries > 150) {
        throw new Error(`${command} does not serve: ${await answer?.text()}\n${output}`)
      }
      await sleep(200)
    }
    return await work(url)
  } finally {
    child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    await exited
    clearTimeout(killer)
  }
}
