/** examples/store-node: the app on @databricks/lakebase, its .env written by the store's script. */
import { cpSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { apiOf, check } from '../api.mjs'
import { checkOut, must } from '../checkout.mjs'
import { whileServing } from '../serving.mjs'

const { env } = process
const { worktree } = await checkOut(env.WORK_DIR, 'store', 'store-node')
const app = join(worktree, 'store-node')
const installed = resolve(import.meta.dirname, '../../../examples/store-node/node_modules')
cpSync(installed, join(app, 'node_modules'), { recursive: true })

const dotenv = join(app, '.env')
const script = join(worktree, 'store/scripts/lakebase-branch.sh')
await must(script, ['--env-file', dotenv, '--ttl', '900'], { cwd: app, env })
const node = (program) => must(process.execPath, [join('src', program)], { cwd: app, env })
await node('migrate.js')
await node('migrate.js') // the second time there is nothing to do
await whileServing(process.execPath, ['src/server.js'], { cwd: app, env }, async (url) => {
  const products = await (await fetch(`${url}/api/products`)).json()
  check(products.length === 13, `there are thirteen products, not ${JSON.stringify(products)}`)
  check(products[12]?.category === 'Cups' && products[12].stock === 30, 'the last is as seeded')
  check((await fetch(`${url}/api/products/999`)).status === 404, 'product 999 is a 404')
})
const id = (await must(script, ['--print-name'], { cwd: app, env })).trim()
const api = apiOf(env.DATABRICKS_TOKEN)
await api.deleteBranch(`projects/${env.PROJECT}/branches/${id}`)
