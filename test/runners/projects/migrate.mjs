// What a project's migrations do: tables, and a row or two that every test may count on.
import { appendFileSync } from 'node:fs'
import pg from 'pg'

const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
await client.connect()
await client.query(`create table if not exists products (id int generated always as identity, name text);
  insert into products (name) values ('migrated')`)
await client.end()
if (process.env.SEEN) appendFileSync(process.env.SEEN, 'migrated\n')
