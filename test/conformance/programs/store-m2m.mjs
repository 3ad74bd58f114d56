/**
 * examples/store as it is deployed: a service principal with a client secret, no token of a person and
 * no script. The app gets its credentials itself and renews them before they end.
 */
import { createServer, request } from 'node:http'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../../../scripts/run-command.mjs'
import { apiOf, check } from '../../clients/api.mjs'
import { whileServing } from '../../clients/serving.mjs'
import { row } from '../rows.mjs'
import { makeServicePrincipal } from '../service-principal.mjs'

const { DATABRICKS_HOST, DATABRICKS_TOKEN, PYTHON_BIN: python, ...plain } = process.env
const app = resolve(import.meta.dirname, '../../../examples/store')
const project = 'store-m2m'
const branch = `projects/${project}/branches/production`
const api = apiOf(DATABRICKS_TOKEN, DATABRICKS_HOST)
/** Seconds of its life that a credential of an hour is used here. */
const used = 3

/** A way to the server that counts the credentials asked for. */
async function countingProxy() {
  let credentials = 0
  const proxy = createServer((incoming, outgoing) => {
    if (incoming.url === '/api/2.0/postgres/credentials') credentials += 1
    const { method, headers, url } = incoming
    const forward = request(new URL(url, DATABRICKS_HOST), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers)
      answer.pipe(outgoing)
    })
    forward.once('error', () => outgoing.destroy())
    incoming.pipe(forward)
  })
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    credentials: () => credentials,
    close: () => proxy.close(),
  }
}

async function products(url) {
  const answer = await fetch(`${url}/api/products`)
  const found = await answer.json()
  check(answer.status === 200 && found.length === 13, `${answer.status}: ${JSON.stringify(found)}`)
}

/** Ends the app's sessions, as the same service principal but past the proxy: its pool must log in again. */
async function endSessions(env) {
  const script = `
import psycopg
from store.settings import read_database
database = read_database()
with psycopg.connect(user=database.user, password=database.password) as same:
    ended = same.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE usename = current_user AND pid <> pg_backend_pid()"
    ).fetchone()[0]
assert ended > 0, "the app has a session"
`
  const done = await run(join(python, 'python'), ['-c', script], {
    cwd: app,
    env: { ...env, DATABRICKS_HOST },
  })
  check(done.code === 0, done.output)
}

await api.finished(await api.postgres('POST', `projects?project_id=${project}`, {}))
const proxy = await countingProxy()
const { status } = await api.endpoint(branch)
const principal = await row('a service principal with a client secret', () =>
  makeServicePrincipal('store', [project]),
)
const env = {
  ...plain,
  DATABRICKS_HOST: proxy.url,
  DATABRICKS_CLIENT_ID: principal?.clientId ?? 'none',
  DATABRICKS_CLIENT_SECRET: principal?.clientSecret ?? 'none',
  LAKEBASE_ENDPOINT: `${branch}/endpoints/primary`,
  LAKEBASE_RENEW_SECONDS: String(3600 - used),
  PGHOST: status.hosts.host,
  PGDATABASE: 'databricks_postgres',
}

await row('alembic upgrade head, as the service principal', async () => {
  const done = await run(join(python, 'alembic'), ['upgrade', 'head'], { cwd: app, env })
  check(done.code === 0, done.output)
})

const command = join(python, 'python')
await row('GET /api/products; one credential serves many connections', async () => {
  const longLived = { ...env, LAKEBASE_RENEW_SECONDS: '120' }
  await whileServing(command, ['-m', 'store'], { cwd: app, env: longLived }, async (url) => {
    const before = proxy.credentials()
    await Promise.all(Array.from({ length: 10 }, () => products(url)))
    check(proxy.credentials() === before, `${proxy.credentials() - before} more credentials`)
  })
})

await row('GET /api/products goes on with another credential before the first one ends', () =>
  whileServing(command, ['-m', 'store'], { cwd: app, env }, async (url) => {
    await products(url)
    const before = proxy.credentials()
    await sleep((used + 1) * 1000)
    await endSessions(env)
    await products(url)
    check(proxy.credentials() > before, 'it asked for another credential')
  }),
)

proxy.close()
await api.finished(await api.postgres('DELETE', `projects/${project}?purge=true`))
