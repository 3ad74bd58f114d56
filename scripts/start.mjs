/**
 * `npm start`: gets the clone ready, then runs the server in the foreground. This process only stands
 * between npm and the server: it passes on signals and ends as the server ended.
 */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureBuild, ensureDependencies, nodeProblem } from './setup.mjs'

const problem = nodeProblem()
if (problem !== undefined) {
  process.stderr.write(`Error: ${problem}\n`)
  process.exit(1)
}

try {
  await ensureDependencies()
  await ensureBuild()
} catch (error) {
  process.stderr.write(`Error: Lakelet could not be set up: ${error.message}\n`)
  process.exit(1)
}

const program = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist/main/lakelet.js')
const server = spawn(process.execPath, [program, 'up', ...process.argv.slice(2)], {
  stdio: 'inherit',
  // What the start screen tells people to type: there is no "lakelet" on the PATH of a clone.
  env: { ...process.env, LAKELET_COMMAND: process.env.LAKELET_COMMAND ?? './lakelet' },
})

// A terminal sends Ctrl-C to every process in front of it, the server among them. Passing it on would
// make it two, and the second one means "at once". Without a terminal the signal is for us alone.
let passedOn = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (passedOn || (signal === 'SIGINT' && process.stdin.isTTY)) return
    passedOn = true
    server.kill(signal)
  })
}

server.once('error', (error) => {
  process.stderr.write(`Error: the server could not be started: ${error.message}\n`)
  process.exitCode = 1
})
server.once('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal]
})
