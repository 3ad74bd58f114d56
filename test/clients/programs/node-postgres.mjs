/** node-postgres, the certificate verified with the CA that `lakelet env` names. */
import pg from 'pg'
import { check } from '../api.mjs'
import { prove } from '../proof.mjs'

const open = async (host, user, password) => {
  const client = new pg.Client({
    host,
    port: Number(process.env.PGPORT),
    user,
    password,
    database: 'databricks_postgres',
    ssl: { rejectUnauthorized: true },
  })
  await client.connect()
  return client
}

await prove('node-postgres', async ({ host, user, token }) => {
  const refused = await open(host, user, 'not a token').then(
    () => undefined,
    (error) => error,
  )
  check(refused?.code === '28P01', `a wrong password is refused with 28P01, not ${refused?.code}`)
  const client = await open(host, user, token)
  return { query: async (sql) => (await client.query(sql)).rows, end: () => client.end() }
})
