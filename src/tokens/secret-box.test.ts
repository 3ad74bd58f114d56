/** What is sealed opens again here, and nowhere else. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Secret } from '../lib/secret.ts'
import { openSecretBox } from './secret-box.ts'

const root = mkdtempSync(join(tmpdir(), 'lakelet-box-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('a secret opens after a restart, not elsewhere, and not when it was changed', async () => {
  const keys = join(root, 'keys')
  const sealed = await (await openSecretBox({ keys })).seal(new Secret('postgres://u:hunter2@h/d'))
  expect(sealed).not.toContain('hunter2')
  expect((await (await openSecretBox({ keys })).open(sealed))?.reveal()).toBe(
    'postgres://u:hunter2@h/d',
  )
  const other = await openSecretBox({ keys: join(root, 'others') })
  expect(await other.open(sealed)).toBeUndefined()
  const changed = `${sealed.slice(0, -4)}AAAA`
  expect(await (await openSecretBox({ keys })).open(changed)).toBeUndefined()
  const key = join(keys, 'secret-box-key')
  expect(statSync(key).mode & 0o777).toBe(0o600)
  expect(readFileSync(key, 'utf8').trim()).toMatch(/^[\w-]{43}$/)
})
