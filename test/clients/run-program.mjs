/** One client as a child of its own: it ends, or it is ended, with everything that it started. */
import { spawn } from 'node:child_process'

/**
 * Runs a program without standard input; answers with what it printed, both streams mixed. After
 * `patience` milliseconds its whole process group is ended, so that nothing stays behind.
 */
export function runProgram([command, ...args], env, patience = 240_000) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    const timer = setTimeout(() => {
      output += `\nended after ${patience / 1000} s`
      process.kill(-child.pid, 'SIGKILL')
    }, patience)
    child.once('error', (error) => {
      output += error.message
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ isPassed: code === 0, output })
    })
  })
}

export const indent = (text) => text.trimEnd().replace(/^/gm, '    ')
