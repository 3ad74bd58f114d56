import { describe, expect, test } from 'vitest'
import { expiryFor, parseProjectFile } from './project-file.ts'

describe('lakelet.toml', () => {
  test('says what it says, and the rest is as without it', async () => {
    const file = await parseProjectFile(
      `project = "store"
       migrate = "alembic upgrade head"
       [[ttl]]
       match = "release/*"
       ttl = "none"
       [[ttl]]
       ttl = "2d"
       [env]
       DB = "url"`,
      'lakelet.toml',
    )
    expect(file).toMatchObject({
      project: 'store',
      source: 'parent',
      env_file: '.env',
      env: { DB: 'url' },
      migrate: 'alembic upgrade head',
    })
    expect(expiryFor(file, 'release/1')).toEqual({ no_expiry: true })
    expect(expiryFor(file, 'feature/a')).toEqual({ ttl: '172800s' })
    expect(expiryFor(await parseProjectFile('', 'x'), 'main')).toEqual({ ttl: '21600s' })
    expect(expiryFor({ ttl: [{ match: 'a.b', ttl: '1h' }] }, 'axb')).toEqual({ ttl: '21600s' })
  })

  test.each([
    ['project = ', 'is not TOML'],
    ['projekt = "store"', 'projekt: is nothing that it knows'],
    ['project = "Store"', 'project: is no id'],
    ['env_file = "../.env"', 'env_file: must lie below'],
    ['env_file = "/etc/passwd"', 'env_file: must lie below'],
    ['[[ttl]]\nttl = "6 hours"', 'ttl.0.ttl: is neither "none" nor a length of time'],
    ['[[ttl]]\nttl = "0s"', 'ttl.0.ttl: is neither'],
    ['[env]\n"A B" = "url"', 'env.A B'],
    ['[env]\nA = "secret"', 'env.A'],
    ['migrate = ""', 'migrate'],
  ])('%s is refused by its name', async (text, says) => {
    await expect(parseProjectFile(text, 'lakelet.toml')).rejects.toThrow(says)
  })
})
