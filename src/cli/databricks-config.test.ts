import { describe, expect, test } from 'vitest'
import { normalizeHost } from './connection.ts'
import { parseDatabricksConfig } from './databricks-config.ts'

const text = `; The profile defined in the DEFAULT section
[DEFAULT]

[dev]
host  = https://dev.example.org/
token = dapi0123

# a service principal
[ci.nightly]
host          = http://127.0.0.1:7430
client_id     = 11111111-2222-3333-4444-555555555555
client_secret = dose=with=equals
`

describe('.databrickscfg', () => {
  test('a profile is read, with dots in its name or not', async () => {
    const config = await parseDatabricksConfig('cfg', text)
    expect(config.profile('dev')).toEqual({ host: 'https://dev.example.org/', token: 'dapi0123' })
    expect(config.profile('ci.nightly')).toEqual({
      host: 'http://127.0.0.1:7430',
      clientId: '11111111-2222-3333-4444-555555555555',
      clientSecret: 'dose=with=equals',
    })
    expect(config.profileNames).toEqual(['dev', 'ci.nightly'])
  })

  test('a profile that is not there is told from an empty one', async () => {
    const config = await parseDatabricksConfig('cfg', text)
    expect(config.profile('prod')).toBeUndefined()
    expect(config.profile('DEFAULT')).toEqual({})
  })
})

describe('addresses', () => {
  test.each([
    ['https://h.example.org/?o=123', 'https://h.example.org'],
    ['h.example.org', 'https://h.example.org'],
    ['http://127.0.0.1:7430/', 'http://127.0.0.1:7430'],
    ['localhost:7430', 'https://localhost:7430'],
  ])('%s is %s', (given, host) => {
    expect(normalizeHost(given, 'test')).toBe(host)
  })

  test.each(['', 'ftp://h', 'https://'])('%j is refused', (given) => {
    expect(() => normalizeHost(given, 'DATABRICKS_HOST')).toThrow('is not the address of a server')
  })
})
