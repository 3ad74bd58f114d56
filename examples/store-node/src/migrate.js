/** `npm run migrate`: brings the branch's schema up to date. */
import { join } from 'node:path'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { openDatabase } from './database.js'

const { pool, db } = await openDatabase()
try {
  await migrate(db, { migrationsFolder: join(import.meta.dirname, '..', 'migrations') })
} finally {
  await pool.end()
}
