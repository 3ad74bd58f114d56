/**
 * The driver asks the API for a credential whenever it needs one (DATABRICKS_HOST, DATABRICKS_TOKEN,
 * LAKEBASE_ENDPOINT), so no password is configured and none runs out.
 */
import './environment.js'
import { createLakebasePool, getUsernameWithApiLookup } from '@databricks/lakebase'
import { drizzle } from 'drizzle-orm/node-postgres'
import * as tables from './tables.js'

export async function openDatabase() {
  const user = await getUsernameWithApiLookup()
  const pool = createLakebasePool(user === undefined ? {} : { user })
  // An idle connection that the server ends (a reset, a suspend) is replaced by the next query.
  pool.on('error', (error) => console.error(`store-node: idle connection lost: ${error.message}`))
  return { pool, db: drizzle({ client: pool, schema: tables }) }
}
