import { expect, test, vi } from 'vitest'
import { settingNames } from '../lib/settings.ts'
import { readUpFlags } from './up-flags.ts'

test('every setting has its flag', () => {
  const argv = settingNames.flatMap((name) => [`--${name}`, `value of ${name}`])
  const flags = readUpFlags([...argv, '--config=/c.toml'])
  expect(flags).toEqual({
    ...Object.fromEntries(settingNames.map((name) => [name, `value of ${name}`])),
    config: '/c.toml',
  })
})

test('no flags are no settings, and unknown ones are refused', () => {
  expect(readUpFlags([])).toEqual({})
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    expect(() => readUpFlags(['--api-prt', '1'])).toThrow("unknown option '--api-prt'")
    expect(() => readUpFlags(['now'])).toThrow('too many arguments')
  } finally {
    write.mockRestore()
  }
})
