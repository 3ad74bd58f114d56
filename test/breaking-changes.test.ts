/** Which changes of the API document break clients. */
import { expect, test } from 'vitest'
// @ts-expect-error a script without types of its own
import { breakingChanges as untyped } from '../scripts/breaking-changes.mjs'
import { apiDocument } from '../src/api/create-api.ts'

const breakingChanges = untyped as (before: unknown, after: unknown) => readonly string[]

const before = JSON.stringify(apiDocument('0'))

// biome-ignore lint/suspicious/noExplicitAny: a document of JSON, to be changed at will
const changed = (change: (document: any) => void): readonly string[] => {
  const after = JSON.parse(before)
  change(after)
  return breakingChanges(JSON.parse(before), after)
}

const branches = '/api/2.0/postgres/projects/{project}/branches'

// biome-ignore lint/suspicious/noExplicitAny: as above
test.each<[string, (document: any) => void]>([
  ['no change', () => undefined],
  ['another text', (it) => (it.paths[branches].post.summary = 'Make a branch')],
  ['a field more in replies', (it) => (it.components.schemas.Branch.properties.extra = {})],
  ['a new optional parameter', (it) => it.paths[branches].get.parameters.push({ name: 'new' })],
  ['one more choice in requests', (it) => it.components.schemas.PermissionLevel.enum.push('X')],
  ['a new operation', (it) => (it.paths['/new'] = { get: { operationId: 'x', responses: {} } })],
])('breaks nobody: %s', (name, change) => {
  const found = changed(change)
  // The level is in replies too, where a new one may surprise.
  expect(found.filter((line) => !line.includes('may now be "X"'))).toEqual([])
  expect(found.length > 0).toBe(name === 'one more choice in requests')
})

// biome-ignore lint/suspicious/noExplicitAny: as above
test.each<[string, (document: any) => void]>([
  [`POST ${branches} is gone`, (it) => delete it.paths[branches].post],
  ['no longer createBranch', (it) => (it.paths[branches].post.operationId = 'makeBranch')],
  ['now needs replace_existing', (it) => (it.paths[branches].post.parameters[2].required = true)],
  ['no longer takes page_token', (it) => it.paths[branches].get.parameters.splice(2, 1)],
  ['no longer answers 200', (it) => delete it.paths[branches].get.responses['200']],
  ['branches[] uid is gone', (it) => delete it.components.schemas.Branch.properties.uid],
  ['uid may now be absent', (it) => it.components.schemas.Branch.required.splice(3, 1)],
  [
    'current_state may now be "BROKEN"',
    (it) => it.components.schemas.BranchState.enum.push('BROKEN'),
  ],
  [
    'is number, no longer integer',
    (it) =>
      (it.components.schemas.Endpoint.properties.status.properties.group.properties.min.type =
        'number'),
  ],
  [
    'body spec ttl is now required',
    (it) => (it.components.schemas.BranchCreate.properties.spec.required = ['ttl']),
  ],
  [
    'body spec endpoint_type no longer takes "ENDPOINT_TYPE_READ_ONLY"',
    (it) => it.components.schemas.EndpointType.enum.pop(),
  ],
])('breaks clients: %s', (said, change) => {
  expect(changed(change).join('\n')).toContain(said)
})
