/**
 * examples/store from beginning to end: a detached worktree, the branch script, Alembic, the app with
 * its thirteen products; the parent never sees a table, and the branch is listed with its end.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { apiOf, check } from '../api.mjs'
import { checkOut, must, parseEnv } from '../checkout.mjs'
import { whileServing } from '../serving.mjs'

const { PROJECT: project, PYTHON_BIN: python, WORK_DIR: work } = process.env
const api = apiOf(process.env.DATABRICKS_TOKEN)
const env = process.env
const { repository, worktree, git } = await checkOut(work, 'store')
const app = join(worktree, 'store')
const script = (...args) => must(join(app, 'scripts/lakebase-branch.sh'), args, { cwd: app, env })
const dotenv = () => parseEnv(readFileSync(join(app, '.env'), 'utf8'))
const hoursLeft = (time) => (Date.parse(time) - Date.now()) / 3_600_000
const isSixHours = (time) => hoursLeft(time) > 5.9 && hoursLeft(time) <= 6

// ---- a branch for this worktree
await script()
const first = dotenv()
const { userName: user } = await api.me()
const branch = await api.postgres('GET', first.LAKEBASE_BRANCH)
check(first.PGUSER === user, 'the file has the login')
check((statSync(join(app, '.env')).mode & 0o777) === 0o600, 'the file is for its owner alone')
check(/-agent-1-[0-9a-f]{6}$/.test(branch.branch_id), `the worktree names ${branch.branch_id}`)
check(isSixHours(branch.status.expire_time), `the branch ends in six hours`)

// ---- migrations and app
const alembic = (...args) => must(join(python, 'alembic'), args, { cwd: app, env })
await alembic('upgrade', 'head')
await alembic('check')
async function productsOf(url) {
  const products = await (await fetch(`${url}/api/products`)).json()
  check(products.length === 13, `there are thirteen products, not ${products.length}`)
  check(
    products.every(({ category, stock }) => category && Number.isInteger(stock)),
    'each has a category and stock',
  )
  check((await fetch(`${url}/api/products/999`)).status === 404, 'product 999 is a 404')
}
await whileServing(join(python, 'python'), ['-m', 'store'], { cwd: app, env }, async (url) => {
  await productsOf(url)
  // Another run of the script keeps the branch and its data, and the app goes on.
  await script()
  await productsOf(url)
})
const renewed = dotenv()
check(renewed.PGPASSWORD !== first.PGPASSWORD, 'the credential is another one')
check(
  (await api.postgres('GET', first.LAKEBASE_BRANCH)).uid === branch.uid,
  'the branch is the same',
)

// ---- what others see
const listed = JSON.parse(
  await must('lakelet', ['postgres', 'list-branches', `projects/${project}`, '-o', 'json'], {
    env,
  }),
).find(({ name }) => name === branch.name)
check(listed?.status.expire_time === branch.status.expire_time, 'list-branches shows the end')
const production = `projects/${project}/branches/production`
const { status } = await api.endpoint(production)
const { token } = await api.credential(`${production}/endpoints/primary`)
const seen = await must(
  join(python, 'python'),
  [
    '-c',
    `import os, psycopg
with psycopg.connect(host=os.environ["H"], user=os.environ["U"], password=os.environ["P"], dbname="databricks_postgres", sslmode="require") as c:
    print(c.execute("SELECT to_regclass('public.products') IS NULL").fetchone()[0])`,
  ],
  { env: { ...env, H: status.hosts.host, U: user, P: token } },
)
check(seen.trim() === 'True', 'the parent has no products table')

// ---- the other ways of the script
await script('--force', '--form', 'object')
const anew = await api.postgres('GET', first.LAKEBASE_BRANCH)
check(anew.uid !== branch.uid, '--force makes the branch anew')
check(isSixHours(anew.status.expire_time), 'the object form of the ttl gives six hours')
await script('--force', '--form', 'no-expiry')
const forever = await api.postgres('GET', first.LAKEBASE_BRANCH)
check(forever.status.expire_time === undefined, 'the old way round, no_expiry, works as well')
await api.deleteBranch(first.LAKEBASE_BRANCH)

// ---- on a git branch
await git(repository, 'switch', '--quiet', '--create', 'feature/Tea_Time')
const named = await must(join(repository, 'store/scripts/lakebase-branch.sh'), ['--print-name'], {
  env,
})
check(/-feature-tea-time-[0-9a-f]{6}\n$/.test(named), `the git branch names ${named}`)
