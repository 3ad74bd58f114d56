/** Runs a command for the scripts of this folder: argv arrays only, no shell, no standard input. */
import { spawn } from 'node:child_process'

/**
 * Resolves with exit code and output; rejects only when the command cannot be started. `show` lets
 * the output through to the terminal instead of keeping it.
 */
export function run(command, args, { cwd, env, show = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: env ?? process.env,
      stdio: show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      stdout += text
      output += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      output += text
    })
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code: code ?? 1, signal, stdout, output }))
  })
}

/** As `run`, but a command that is not there is a failure like any other. */
export const tryRun = (command, args, options) =>
  run(command, args, options).catch((error) => ({
    code: 127,
    signal: null,
    stdout: '',
    output: String(error.message),
  }))

export const isThere = async (command, args = ['--version']) =>
  (await tryRun(command, args)).code === 0
