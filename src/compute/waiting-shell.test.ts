/** Real shells: what they become, and what is left of them. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WaitingShell } from './waiting-shell.ts'

let directory = ''
let log = ''
let shell = new WaitingShell(undefined)
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lk-shell-'))
  await chmod(directory, 0o755)
  log = join(directory, "it's a log")
  shell = new WaitingShell(undefined)
})
afterEach(async () => {
  shell.close()
  await rm(directory, { recursive: true })
})

const exitOf = (child: Awaited<ReturnType<WaitingShell['become']>>): Promise<unknown> =>
  new Promise((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode)
    else child.once('exit', (code, signal) => resolve(signal ?? code))
  })

test('it becomes the program, with these arguments, this log and nothing of our environment', async () => {
  process.env.LAKELET_PROBE = 'secret'
  const args = [
    '-c',
    'printf "%s|" "$@"; env; echo problem >&2; exit 7',
    'x',
    "a 'b'",
    '$HOME',
    '\\n',
  ]
  for (let time = 0; time < 3; time += 1) {
    const child = await shell.become({ program: '/bin/sh', args, log })
    expect(await exitOf(child)).toBe(7)
  }
  delete process.env.LAKELET_PROBE
  const said = await readFile(log, 'utf8')
  expect(said.split("a 'b'|$HOME|\\n|").length).toBe(4)
  expect(said).not.toContain('secret')
  expect(said.split('problem').length).toBe(4)
})

/** Of this process, as the kernel has them. */
const children = async (): Promise<number[]> =>
  (await readFile(`/proc/self/task/${process.pid}/children`, 'utf8'))
    .split(' ')
    .flatMap((pid) => Number(pid) || [])

test.runIf(process.platform === 'linux')(
  'one that was ended while it waited is replaced',
  async () => {
    const others = await children()
    const become = () => shell.become({ program: '/bin/sleep', args: ['60'], log })
    const first = await become()
    await delay(100) // the next one waits by now
    const second = await become()
    await delay(100)
    const third = await become()
    expect(new Set([first.pid, second.pid, third.pid]).size).toBe(3)
    const ours = (await children()).filter((pid) => !others.includes(pid))
    expect(ours).toEqual(expect.arrayContaining([first.pid, second.pid, third.pid]))
    expect(ours.length).toBe(4) // and the one that waits
    for (const pid of ours) process.kill(pid, 'SIGKILL')
    expect(await exitOf(third)).toBe('SIGKILL')
    await delay(100)
    const after = await become()
    after.kill('SIGKILL')
    expect(await exitOf(after)).toBe('SIGKILL')
  },
)

test('what is not one line each is refused; a program that is not there ends with 127', async () => {
  const newline = shell.become({ program: '/bin/true', args: ['a\nb'], log })
  await expect(newline).rejects.toThrow('not one line each')
  const child = await shell.become({ program: join(directory, 'nothing'), args: ['x'], log })
  expect(await exitOf(child)).toBe(127)
  expect(await readFile(log, 'utf8')).toContain('nothing')
})

test.runIf(process.platform === 'linux')('a closed one leaves no process', async () => {
  const others = await children()
  const child = await shell.become({ program: '/bin/true', args: ['x'], log })
  await exitOf(child)
  await delay(100)
  shell.close()
  for (let turn = 0; turn < 100; turn += 1) {
    if ((await children()).every((pid) => others.includes(pid))) return
    await delay(20)
  }
  throw new Error('a shell is left')
})
