import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, describe, expect, test } from 'vitest'
import { parsePsLine, parseStat, procTable, psTable } from './process-table.ts'

const child = spawn('sleep', ['60'], { cwd: '/' })
const pid = child.pid ?? 0
afterAll(() => void child.kill('SIGKILL'))

describe('what the system tells of a process', () => {
  test('a name with blanks and parentheses does not confuse', () => {
    const rest = Array.from({ length: 40 }, (_, index) => index + 5).join(' ')
    expect(parseStat(`42 (a) S (b c) Z 7 ${rest}`)).toMatchObject({ state: 'Z', parent: 7 })
    expect(parseStat(`42 (x) S 7 ${rest}`)?.start).toBe('22')
  })

  test('a line of ps is read; a zombie is none', () => {
    const line = '  42     7 Ss   Mon Nov 23 05:16:00 2026 /bin/postgres -D /a b -c x=y'
    expect(parsePsLine(line)).toEqual({
      pid: 42,
      parent: 7,
      start: 'Mon Nov 23 05:16:00 2026',
      command: '/bin/postgres -D /a b -c x=y',
      workingDirectory: undefined,
    })
    expect(parsePsLine(line.replace('Ss', 'Z '))).toBeUndefined()
    expect(parsePsLine('')).toBeUndefined()
  })

  const tables = process.platform === 'linux' ? { procTable, psTable } : { psTable }
  describe.each(Object.entries(tables))('%s', (_, table) => {
    test('finds a live process and its parent', async () => {
      expect(await table.find(pid)).toMatchObject({
        pid,
        parent: process.pid,
        command: 'sleep 60',
      })
      const children = await table.childrenOf(process.pid)
      expect(children.map((facts) => facts.pid)).toContain(pid)
    })

    test('finds the same start twice', async () => {
      expect((await table.find(pid))?.start).toBe((await table.find(pid))?.start)
    })

    test('finds nothing of one that ended', async () => {
      const gone = spawn('true')
      await once(gone, 'exit')
      expect(await table.find(gone.pid ?? 0)).toBeUndefined()
    })
  })
})
