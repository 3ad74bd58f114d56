import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { postgresMajors } from '../domain/project.ts'
import {
  commandLine,
  forcedSettings,
  leanSettings,
  quoteSetting,
  renderConfiguration,
  settingProblem,
} from './configuration.ts'

const places = { uid: 'ep-a', dataDirectory: '/d', runDirectory: '/run/ep-a' }

describe('configuration of a compute', () => {
  test('any value stays on its line, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(quoteSetting(value)).not.toMatch(/[\n\r]/)
        expect(quoteSetting(value)).toMatch(/^'(?:[^'\\]|''|\\.)*'$/u)
      }),
    )
  })

  test("the caller's settings come after ours, so theirs win", () => {
    const text = renderConfiguration(17, { checkpoint_timeout: '1min' })
    expect(text.lastIndexOf("checkpoint_timeout = '1min'")).toBeGreaterThan(
      text.indexOf("checkpoint_timeout = '5min'"),
    )
  })

  test('a name cannot smuggle in another line or an include', () => {
    for (const name of ['', 'a b', 'a\nb', "a='x'", 'include', 'INCLUDE_DIR', '1a', 'a.', 'a-b']) {
      expect(settingProblem(name, 'x'), name).toBeDefined()
      expect(() => renderConfiguration(17, { [name]: 'x' })).toThrow()
    }
    for (const name of ['work_mem', 'plpgsql.extra_errors', 'TimeZone', 'a.b.c']) {
      expect(settingProblem(name, 'x'), name).toBeUndefined()
    }
    expect(settingProblem('work_mem', '1\0')).toBeDefined()
  })

  test('nothing is both ours to suggest and ours to force', () => {
    for (const major of postgresMajors) {
      const forced = Object.keys(forcedSettings(places))
      expect(Object.keys(leanSettings(major)).filter((name) => forced.includes(name))).toEqual([])
    }
  })

  test('what is forced is on the command line, where it wins over every file', () => {
    const line = commandLine(places)
    expect(line.slice(0, 2)).toEqual(['-D', '/d'])
    expect(line).toContain('listen_addresses=')
    expect(line).toContain('fsync=on')
    expect(line).toContain('unix_socket_directories=/run/ep-a')
  })
})
