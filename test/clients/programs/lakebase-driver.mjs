/** `@databricks/lakebase`: fetches the credential itself, with the personal access token. */
import { createLakebasePool, getUsernameWithApiLookup } from '@databricks/lakebase'
import { check } from '../api.mjs'
import { prove } from '../proof.mjs'

await prove('lakebase-driver', async ({ host, user, endpoint, apiToken }) => {
  process.env.DATABRICKS_TOKEN = apiToken
  const login = await getUsernameWithApiLookup()
  check(login === user, 'the driver finds its login by itself')
  const pool = createLakebasePool({
    endpoint,
    host,
    user: login,
    database: 'databricks_postgres',
    sslMode: 'require',
  })
  return { query: async (sql) => (await pool.query(sql)).rows, end: () => pool.end() }
})
