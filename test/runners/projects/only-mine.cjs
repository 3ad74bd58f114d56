// The body of every test file: what is there at first, what is there while others write to theirs as well.
const { appendFileSync } = require('node:fs')
const { setTimeout: delay } = require('node:timers/promises')
const pg = require('pg')

/** Names of the products before and after this file added its own, through the variable that programs read. */
exports.onlyMine = async (file) => {
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
  await client.connect()
  const names = async () =>
    (await client.query('select name from products order by id')).rows.map(({ name }) => name)
  try {
    const { rows } = await client.query('select current_database() as database')
    appendFileSync(process.env.SEEN, `${process.env.LAKEBASE_BRANCH} ${rows[0].database} ${file}\n`)
    const before = await names()
    await client.query('insert into products (name) values ($1)', [file])
    await delay(300)
    return [before, await names()]
  } finally {
    await client.end()
  }
}
