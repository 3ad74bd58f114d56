/**
 * OpenTofu with the Databricks provider, both unmodified: plan, apply, apply again is empty, change,
 * destroy; once with everything made anew, once with what a project brings by itself adopted.
 */
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../../../scripts/run-command.mjs'
import { apiOf, check } from '../../clients/api.mjs'
import { row } from '../rows.mjs'

const [tofuBinary, providerBinary] = process.argv.slice(2)
const work = process.env.WORK_DIR
const api = apiOf(process.env.DATABRICKS_TOKEN)

const plugins = join(work, 'plugins')
mkdirSync(plugins)
symlinkSync(providerBinary, join(plugins, 'terraform-provider-databricks'))
const cliConfig = join(work, 'tofu.rc')
writeFileSync(
  cliConfig,
  `provider_installation {\n  dev_overrides { "databricks/databricks" = ${JSON.stringify(plugins)} }\n}\n`,
)

/** One configuration in a directory of its own, with its state. */
function workspace(name) {
  const cwd = join(work, name)
  cpSync(join(import.meta.dirname, '../tofu', name), cwd, { recursive: true })
  const env = {
    ...process.env,
    HOME: work,
    TF_CLI_CONFIG_FILE: cliConfig,
    TF_IN_AUTOMATION: '1',
    CHECKPOINT_DISABLE: '1',
  }
  const flags = (variables) =>
    Object.entries(variables).map(([key, value]) => `-var=${key}=${value}`)
  const tofu = async (args, variables) => {
    const all = [...args, '-no-color', '-input=false', ...flags(variables)]
    const done = await run(tofuBinary, all, { cwd, env })
    return { ...done, command: all.join(' ') }
  }
  const mustWork = (done, code = 0) => {
    if (done.code !== code)
      throw new Error(`${done.command} → ${done.code}: ${shorten(done.output)}`)
    return done.output
  }
  return {
    /** Succeeds when something is to be done, and answers with the plan. */
    plan: async (variables) => mustWork(await tofu(['plan', '-detailed-exitcode'], variables), 2),
    planIsEmpty: async (variables) =>
      mustWork(await tofu(['plan', '-detailed-exitcode'], variables)),
    apply: async (variables) => mustWork(await tofu(['apply', '-auto-approve'], variables)),
    applyFails: async (variables) => {
      const done = await tofu(['apply', '-auto-approve'], variables)
      check(done.code !== 0, `${done.command} is refused`)
      return done.output
    },
    destroy: async (variables) => mustWork(await tofu(['destroy', '-auto-approve'], variables)),
    forget: async (address) => {
      const done = await run(tofuBinary, ['state', 'rm', address], { cwd, env })
      mustWork({ ...done, command: `state rm ${address}` })
    },
    adopt: async (address, id, variables) => {
      const done = await run(
        tofuBinary,
        ['import', '-no-color', '-input=false', ...flags(variables), address, id],
        { cwd, env },
      )
      mustWork({ ...done, command: `import ${address}` })
    },
  }
}

const shorten = (text) => text.replace(/\s+/g, ' ').slice(-1500)

async function statusOf(name) {
  return (await api.postgres('GET', name)).status
}

async function isAbsent(name, listPath) {
  const parent = listPath.split('?')[0].split('/').at(-1)
  const found = (await api.postgres('GET', listPath))[parent]
  return !found.some((each) => each.name === name)
}

// ---- everything made anew
const guest = 'tofu.guest@example.com'
await api.call('POST', '/api/2.0/preview/scim/v2/Users', { userName: guest })
const fresh = workspace('fresh')
const project = 'projects/tofu-fresh'
const dev = `${project}/branches/dev`
const before = { guest }
const after = {
  ...before,
  display_name: 'Renamed',
  max_cu: 2,
  createdb: true,
  database: 'renamed_db',
  guest_level: 'CAN_MANAGE',
}

await row('anew: plan', async () => {
  const plan = await fresh.plan(before)
  check(/Plan: 6 to add, 0 to change, 0 to destroy/.test(plan), shorten(plan))
})
await row('anew: apply project, branch, endpoint, role, database, permissions', async () => {
  const output = await fresh.apply(before)
  check(/6 added/.test(output) && /"production"/.test(output), shorten(output))
})
await row('anew: apply again is empty', async () => {
  await fresh.planIsEmpty(before)
  const output = await fresh.apply(before)
  check(/0 added, 0 changed, 0 destroyed/.test(output), shorten(output))
})
await row('anew: a change of every kind is planned as a change', async () => {
  const plan = await fresh.plan(after)
  check(/0 to add, 5 to change, 0 to destroy/.test(plan), shorten(plan))
})
await row('anew: change', async () => {
  await fresh.apply(after)
  check((await statusOf(project)).display_name === 'Renamed', 'the project')
  check((await statusOf(`${dev}/endpoints/reader`)).autoscaling_limit_max_cu === 2, 'the endpoint')
  check((await statusOf(`${dev}/roles/app-owner`)).attributes.createdb === true, 'the role')
  const database = await statusOf(`${dev}/databases/my-database`)
  check(database.postgres_database === 'renamed_db', 'the database')
  const acl = await api.call('GET', '/api/2.0/permissions/database-projects/tofu-fresh')
  const entry = acl.access_control_list.find((each) => each.user_name === guest)
  check(entry?.all_permissions[0].permission_level === 'CAN_MANAGE', JSON.stringify(acl))
})
await row('anew: apply after the change is empty', () => fresh.planIsEmpty(after))
await row('anew: import by full name, and the plan is empty', async () => {
  await fresh.forget('databricks_postgres_branch.dev')
  await fresh.adopt('databricks_postgres_branch.dev', dev, after)
  const plan = await fresh.apply(after)
  check(/0 added, [01] changed, 0 destroyed/.test(plan), shorten(plan))
})
await row('anew: what was deleted elsewhere is made again', async () => {
  await api.finished(await api.postgres('DELETE', `${dev}/databases/my-database`))
  const output = await fresh.apply(after)
  check(/1 added, 0 changed, 0 destroyed/.test(output), shorten(output))
})
await row('anew: destroy deletes softly', async () => {
  await fresh.destroy(after)
  check(await isAbsent(project, 'projects'), 'the project is gone')
  check(!(await isAbsent(project, 'projects?show_deleted=true')), 'the project can come back')
})
await api.finished(await api.postgres('DELETE', `${project}?purge=true`)).catch(() => undefined)

// ---- what a project brings, adopted
const adopting = workspace('adopting')
const adopted = 'projects/tofu-adopting'

await row('adopting: without replace_existing the implicit branch is refused', async () => {
  const output = await adopting.applyFails({ replace_existing: false })
  check(/already exists/.test(output), shorten(output))
})
await row('adopting: apply with replace_existing', async () => {
  await adopting.apply({})
  const primary = await statusOf(`${adopted}/branches/production/endpoints/primary`)
  check(primary.autoscaling_limit_max_cu === 2, JSON.stringify(primary))
})
await row('adopting: apply again is empty', () => adopting.planIsEmpty({}))
await row('adopting: change', async () => {
  const plan = await adopting.plan({ max_cu: 4 })
  check(/0 to add, 1 to change, 0 to destroy/.test(plan), shorten(plan))
  await adopting.apply({ max_cu: 4 })
  await adopting.planIsEmpty({ max_cu: 4 })
})
await row('adopting: protect and unprotect', async () => {
  await adopting.apply({ max_cu: 4, is_protected: true })
  check((await statusOf(`${adopted}/branches/production`)).is_protected, 'it is protected')
  await adopting.apply({ max_cu: 4, is_protected: false })
  check(!(await statusOf(`${adopted}/branches/production`)).is_protected, 'it is not protected')
})
await row('adopting: destroy with purge_on_delete leaves nothing', async () => {
  await adopting.destroy({ max_cu: 4 })
  check(await isAbsent(adopted, 'projects?show_deleted=true'), 'the project is purged')
})
