/**
 * `testEnvironment` of jest: each test file has a database of its own, whose variables are in `process.env` before the file is
 * loaded. The environment alone knows when a file begins and ends.
 */
import { claimDatabase, type TestDatabase } from './testing.ts'

/** As much of jest-environment-node as is used here. */
interface Environment {
  readonly global: { readonly process: { readonly env: Record<string, string> } }
  setup(): Promise<void>
  teardown(): Promise<void>
}
const { TestEnvironment } = require('jest-environment-node') as {
  readonly TestEnvironment: new (...args: readonly unknown[]) => Environment
}

export default class LakeletEnvironment extends TestEnvironment {
  #database: TestDatabase | undefined

  override async setup(): Promise<void> {
    await super.setup()
    this.#database = await claimDatabase()
    Object.assign(this.global.process.env, this.#database.variables)
  }

  override async teardown(): Promise<void> {
    await this.#database?.release()
    await super.teardown()
  }
}
