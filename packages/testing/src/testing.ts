/**
 * A fresh database for each test file, from a pool that `lakelet test` owns: docs/guide/testing.md. CommonJS, since jest loads
 * no ES modules into its tests; what needs a top-level `await` is a file of its own.
 */
export { type Access, claimDatabase, TestDatabase } from './claim-database.ts'
export { type SetUpOptions, setUp } from './set-up.ts'
export { TestPoolProblem } from './test-pool-problem.ts'
