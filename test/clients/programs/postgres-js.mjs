/** postgres.js, which prepares every statement by default. */
import postgres from 'postgres'
import { prove } from '../proof.mjs'

await prove('postgres-js', async ({ host, user, token }) => {
  const sql = postgres({
    host,
    port: Number(process.env.PGPORT),
    user,
    password: token,
    database: 'databricks_postgres',
    ssl: { rejectUnauthorized: true },
    max: 1,
    onnotice: () => {},
  })
  return { query: (text) => sql.unsafe(text, [], { prepare: true }), end: () => sql.end() }
})
