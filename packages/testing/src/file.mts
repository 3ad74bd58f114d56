/**
 * A database for the file that imports this first (node:test), or before whose tests it runs (`setupFiles` of vitest). Its
 * variables are in `process.env` before anything else is imported; it goes with the process.
 */
import { claimDatabase } from './testing.ts'

export const database = await claimDatabase()
Object.assign(process.env, database.variables)
