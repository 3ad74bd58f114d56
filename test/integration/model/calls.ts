/** Random calls, few names, so that they meet each other. */
import fc from 'fast-check'
import type { End } from './branches.ts'
import { type Call, primary, root } from './world.ts'

const oneOf = <T>(...choices: readonly T[]) => fc.constantFrom(...choices)
const weighted = <T>(...choices: readonly (readonly [weight: number, value: T])[]) =>
  fc.oneof(...choices.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })))

const project = weighted([9, 'p'], [1, 'q'])
const id = oneOf('a', 'b', 'c')
const branch = weighted([3, root], [2, 'a'], [2, 'b'], [1, 'c'])
const endpoint = weighted([2, primary], [3, 'reader'], [1, 'other'])
const role = oneOf('role-a', 'role-b')
const roleName = weighted([4, 'shop'], [2, 'Ann "A"'])
const database = oneOf('base-a', 'base-b')
const databaseName = weighted([3, 'orders'], [2, 'Two Words'])
const end = oneOf<End>('ttl', 'never', 'unsaid')
const flag = fc.boolean()
const rarely = weighted([4, false], [1, true])
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

/** Only readers are disabled: what a branch holds cannot be asked for while `primary` is. */
const spec = fc.record({
  size: maybe(oneOf<readonly [number, number]>([0.5, 1], [1, 2], [2, 2])),
  suspend: maybe(oneOf('60s', '300s', 'never')),
  isDisabled: fc.constant(undefined),
})
const readerSpec = fc.record({
  size: maybe(oneOf<readonly [number, number]>([0.5, 1], [1, 2])),
  suspend: maybe(oneOf('60s', 'never')),
  isDisabled: maybe(flag),
})

const calls: readonly (readonly [weight: number, call: fc.Arbitrary<Record<string, unknown>>])[] = [
  [2, fc.record({ do: oneOf('create-project') })],
  [2, fc.record({ do: oneOf('rename-project'), displayName: oneOf('One', 'Zwei ü') })],
  [3, fc.record({ do: oneOf('set-default'), branch })],
  [2, fc.record({ do: oneOf('delete-project'), purge: rarely })],
  [3, fc.record({ do: oneOf('undelete-project') })],
  [
    10,
    fc.record({
      do: oneOf('create-branch'),
      branch: weighted([2, 'a'], [2, 'b'], [1, 'c'], [1, root]),
      source: maybe(branch),
      end: weighted<End>([3, 'ttl'], [4, 'never'], [1, 'unsaid']),
      isProtected: rarely,
      replace: rarely,
    }),
  ],
  [6, fc.record({ do: oneOf('update-branch'), branch, end, isProtected: maybe(flag) })],
  [8, fc.record({ do: oneOf('delete-branch'), branch, purge: flag })],
  [5, fc.record({ do: oneOf('undelete-branch'), branch: id })],
  [
    5,
    fc.record({
      do: oneOf('create-endpoint'),
      branch,
      endpoint,
      isReader: weighted([3, true], [1, false]),
      spec,
      replace: flag,
    }),
  ],
  [
    3,
    fc.record({
      do: oneOf('update-endpoint'),
      branch,
      endpoint: oneOf('reader', 'other'),
      spec: readerSpec,
    }),
  ],
  [3, fc.record({ do: oneOf('update-endpoint'), branch, endpoint: fc.constant(primary), spec })],
  [4, fc.record({ do: oneOf('delete-endpoint'), branch, endpoint })],
  [
    8,
    fc.record({
      do: oneOf('create-role'),
      branch,
      role,
      name: roleName,
      createdb: flag,
      isMember: flag,
      replace: rarely,
    }),
  ],
  [3, fc.record({ do: oneOf('update-role'), branch, role, createdb: flag })],
  [4, fc.record({ do: oneOf('delete-role'), branch, role })],
  [
    8,
    fc.record({
      do: oneOf('create-database'),
      branch,
      database,
      name: databaseName,
      owner: role,
      replace: rarely,
    }),
  ],
  [
    4,
    fc.record({
      do: oneOf('update-database'),
      branch,
      database,
      name: maybe(databaseName),
      owner: maybe(role),
    }),
  ],
  [3, fc.record({ do: oneOf('delete-database'), branch, database })],
]

export const anyCall: fc.Arbitrary<Call> = fc
  .tuple(project, fc.oneof(...calls.map(([weight, arbitrary]) => ({ weight, arbitrary }))))
  .map(([on, call]) => ({ project: on, ...call }) as Call)

/** One of them is sent: most calls are refused, and then there is little to see. */
export const anyChoice: fc.Arbitrary<readonly Call[]> = fc.oneof(
  { weight: 2, arbitrary: fc.array(anyCall, { minLength: 1, maxLength: 1 }) },
  { weight: 5, arbitrary: fc.array(anyCall, { minLength: 5, maxLength: 5 }) },
)
