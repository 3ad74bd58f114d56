import { expect, test } from 'vitest'
import { withProfile } from './save-profile.ts'

const values = { host: 'http://127.0.0.1:7430', auth_type: 'databricks-cli' }

test('an empty file gets a section', () => {
  expect(withProfile('', 'dev', values)).toBe(
    '[dev]\nhost = http://127.0.0.1:7430\nauth_type = databricks-cli\n',
  )
})

test('other sections and comments stay as they are', () => {
  const before = '; mine\n[DEFAULT]\nhost = https://a\ntoken = dapi1\n\n[other]\nhost=https://b\n'
  expect(withProfile(before, 'dev', values)).toBe(
    `${before}\n[dev]\nhost = http://127.0.0.1:7430\nauth_type = databricks-cli\n`,
  )
})

test('a section that is there keeps what it is not told', () => {
  const before = '[dev]\n# here\nhost = https://old\nwarehouse_id: 7\n\n[other]\nhost = https://b\n'
  const after = withProfile(before, 'dev', values)
  expect(after).toBe(
    '[dev]\nhost = http://127.0.0.1:7430\nauth_type = databricks-cli\n# here\nwarehouse_id: 7\n\n[other]\nhost = https://b\n',
  )
  expect(withProfile(after, 'dev', values)).toBe(after)
})

test('the last section needs no line break at its end', () => {
  expect(withProfile('[dev]\nhost = x', 'dev', { host: 'y' })).toBe('[dev]\nhost = y\n')
})
