/** What a test file gets, of two kinds: a database of the run's branch, or a branch of it. */
import { DatabaseCopies } from '../testing/database-copies.ts'
import type { Copies } from '../testing/test-pool.ts'
import { type Fields, inDatabase, type TestBranches } from './test-branches.ts'

export interface TestCopy {
  /** With a credential that is good for longer than `renewBefore`. */
  fields(): Promise<Fields>
  remove(): Promise<void>
}

export interface CopyMaker extends Copies<TestCopy> {
  /** What migrations change. */
  readonly template: Fields
  /** Copies stay: they go with the run's branch. */
  end(): Promise<void>
}

/** Databases; the template is an empty one. `fields` are the branch's. */
export async function databasesIn(fields: () => Promise<Fields>): Promise<CopyMaker> {
  const { host, port, user, database, sslrootcert } = await fields()
  const databases = await DatabaseCopies.at({
    host,
    port: Number(port),
    user,
    database,
    password: async () => (await fields()).password,
    caFile: sslrootcert === '' ? undefined : sslrootcert,
  })
  await databases.makeTemplate()
  return {
    template: inDatabase(await fields(), DatabaseCopies.template),
    make: async () => {
      const name = await databases.make()
      return {
        fields: async () => inDatabase(await fields(), name),
        remove: () => databases.remove(name),
      }
    },
    remove: (copy) => copy.remove(),
    end: () => databases.end(),
  }
}

/** Branches of the run's branch, which is the template, named for it with a number. `source`: its full name. */
export async function branchesOf(
  branches: TestBranches,
  source: string,
  fields: () => Promise<Fields>,
): Promise<CopyMaker> {
  const id = source.slice(source.lastIndexOf('/') + 1)
  let made = 0
  return {
    template: await fields(),
    make: async () => {
      made += 1
      const branch = await branches.make(`${id}-${made}`, source)
      await branches.fieldsOf(branch) // not to be waited for by who gets it
      return {
        fields: () => branches.fieldsOf(branch),
        remove: () => branches.remove(branch.name),
      }
    },
    remove: (copy) => copy.remove(),
    end: async () => undefined,
  }
}
