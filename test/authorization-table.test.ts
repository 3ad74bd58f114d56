/** Every action of the product has its row in the table, and asks it: read from the source. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { rules } from '../src/domain/authorization.ts'

const src = resolve(import.meta.dirname, '../src')
const actions = readFileSync(join(src, 'actions/actions.ts'), 'utf8')
const verbs = [
  ...actions.slice(actions.indexOf('export interface Actions {')).matchAll(/^ {2}(\w+)\(/gm),
]
  .map((match) => match[1] ?? '')
  .sort()
const sources = readdirSync(join(src, 'actions'))
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .map((file) => readFileSync(join(src, 'actions', file), 'utf8'))
  .join('\n')

test('every action has a row', () => {
  expect(verbs.length).toBeGreaterThan(40)
  expect(verbs.filter((verb) => !(verb in rules))).toEqual([])
})

test('every row is asked by an action', () => {
  const asked = (deed: string) => sources.includes(`'${deed}'`) || sources.includes(`rules.${deed}`)
  // These need no decision of ours: whoever calls them is nobody yet, or may always.
  const free = ['authenticate', 'verifyClientSecret', 'createProject', 'listProjects']
  const idle = Object.keys(rules).filter((deed) => !asked(deed) && !free.includes(deed))
  expect(idle).toEqual([])
})

test('no action names a permission by itself', () => {
  expect(sources.match(/needs: '[A-Z_]+'/g) ?? []).toEqual([])
})
