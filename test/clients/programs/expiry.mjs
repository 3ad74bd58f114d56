/** A branch ends by itself: name, processes and files are gone. EXPIRY_SECONDS is its ttl. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { apiOf, check, lifeOf } from '../api.mjs'
import { processesOn } from '../server.mjs'

const { PROJECT: project, STATE_DIR: stateDir } = process.env
const ttl = Number(process.env.EXPIRY_SECONDS)
const api = apiOf(process.env.DATABRICKS_TOKEN)

const { uid: projectUid } = await api.postgres('GET', `projects/${project}`)
const branch = await api.createBranch(project, 'short', { ttl: `${ttl}s` })
check(lifeOf(branch) === ttl, `the branch lives ${ttl} s`)
const endpoint = await api.endpoint(branch.name)
const { token } = await api.credential(endpoint.name)
const { userName: user } = await api.me()
const client = new pg.Client({
  host: endpoint.status.hosts.host,
  port: Number(process.env.PGPORT),
  user,
  password: token,
  database: 'databricks_postgres',
  ssl: { rejectUnauthorized: true },
})
let isEnded = false
client.once('end', () => {
  isEnded = true
})
client.on('error', () => {}) // the reason, then the loss of the connection; the end follows
await client.connect()
await client.query('CREATE TABLE short_lived ()')

const places = [
  join(stateDir, 'pool', projectUid, branch.uid),
  join(stateDir, 'wal', projectUid, branch.uid),
  join(stateDir, 'run', endpoint.uid),
]
check(existsSync(places[0]), `the branch's files are in ${places[0]}`)
check((await processesOn(branch.uid)).length > 0, 'a process serves the branch')
const listed = async () =>
  (await api.postgres('GET', `projects/${project}/branches`)).branches.find(
    (each) => each.name === branch.name,
  )
check(
  (await listed())?.status.expire_time === branch.status.expire_time,
  'it is listed with its end',
)

/** Bounded generously; how exactly the moment is kept is for the server's own tests. */
async function becomesTrue(what, isTrue, seconds) {
  for (let tries = 0; tries < seconds * 4; tries += 1) {
    if (await isTrue()) return
    await sleep(250)
  }
  throw new Error(`not so within ${seconds} s: ${what}`)
}
const isAbsent = () =>
  api.postgres('GET', branch.name).then(
    () => false,
    (error) => error.status === 404,
  )

await becomesTrue('the branch is gone', isAbsent, ttl + 30)
check(
  Date.now() >= Date.parse(branch.status.expire_time),
  'the branch is not ended before its time',
)
check((await listed()) === undefined, 'the branch is no longer listed')
await becomesTrue('its session is ended', () => isEnded, 30)
await becomesTrue(
  'no process is left',
  async () => (await processesOn(branch.uid)).length === 0,
  30,
)
for (const place of places) {
  await becomesTrue(`${place} is gone`, () => !existsSync(place), 30)
}
