/**
 * The clients of the conformance suite. `prepare` answers with `{command, version, env?}`, or throws with
 * the reason why the client cannot run here; what it needs, it installs or builds itself.
 */
import { join, resolve } from 'node:path'
import { pathOf } from '../../scripts/packages.mjs'
import { ensurePython } from '../../scripts/python.mjs'
import { run } from '../../scripts/run-command.mjs'
import { buildGo, goVersion, moduleVersion } from '../clients/build-go.mjs'
import { installLocked, packageVersion } from '../clients/locked-packages.mjs'

const root = resolve(import.meta.dirname, '../..')
const program = (file) => join(import.meta.dirname, 'programs', file)
const folder = (name) => join(import.meta.dirname, name)

async function python(say) {
  const bin = await ensurePython(say)
  return join(bin, 'python')
}

async function printed(command, args) {
  const done = await run(command, args)
  if (done.code !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.output.trim()}`)
  return done.stdout.trim()
}

const pythonPackageVersion = (binary, name) =>
  printed(binary, ['-c', `import importlib.metadata as m; print(m.version('${name}'))`])

/** What the U2M rows need beside Python: a browser, and what drives it; without them those rows say why. */
async function browserEnvironment() {
  const chromium = pathOf('chromium', 'chromium-browser', 'google-chrome')
  if (chromium === undefined) return { NO_BROWSER: 'there is no Chromium here' }
  try {
    await installLocked(folder('node'))
  } catch (error) {
    return { NO_BROWSER: error.message }
  }
  return { CHROMIUM: chromium, LOGIN_BROWSER: program('login-browser.mjs'), NODE: process.execPath }
}

/** Both builds take minutes on a small machine, so they begin while the other clients run. */
function terraformBuilds() {
  const tofu = folder('tofu/opentofu')
  const provider = folder('tofu/provider')
  const built = (async () => {
    const goes = await goVersion(26)
    const tofuBinary = await buildGo('tofu', tofu, 'github.com/opentofu/opentofu/cmd/tofu', {
      atLeastMinor: 26,
      isHeavy: true,
    })
    const providerBinary = await buildGo(
      'terraform-provider-databricks',
      provider,
      'github.com/databricks/terraform-provider-databricks',
      { atLeastMinor: 26, isHeavy: true },
    )
    const versionOf = (directory, module) => moduleVersion(directory, module)
    const version = [
      versionOf(tofu, 'github.com/opentofu/opentofu'),
      `with databricks/databricks ${versionOf(provider, 'github.com/databricks/terraform-provider-databricks')}`,
      `on databricks-sdk-go ${versionOf(provider, 'github.com/databricks/databricks-sdk-go')}, ${goes}`,
    ].join(' ')
    return { tofuBinary, providerBinary, version }
  })()
  built.catch(() => undefined) // its reader meets the reason; until then it is nobody's
  return built
}

/** A client that we may not or cannot run, and why. */
const notRun = (name, title, reason) => ({
  name,
  title,
  prepare: async () => {
    throw new Error(reason)
  },
})

/** `say` prints progress; `only` is the one client that is wanted, or undefined. */
export function conformanceClients(say, only) {
  const builds = only === undefined || only === 'opentofu' ? terraformBuilds() : undefined
  return [
    {
      name: 'go-sdk',
      title: 'Databricks SDK for Go',
      prepare: async () => {
        const directory = folder('go')
        const binary = await buildGo('go-sdk', directory, '.', { atLeastMinor: 25 })
        return {
          command: [binary],
          version: moduleVersion(directory, 'github.com/databricks/databricks-sdk-go'),
        }
      },
    },
    {
      name: 'python-sdk',
      title: 'Databricks SDK for Python',
      prepare: async () => {
        const binary = await python(say)
        return {
          command: [binary, folder('python/main.py')],
          version: await pythonPackageVersion(binary, 'databricks-sdk'),
          env: await browserEnvironment(),
        }
      },
    },
    {
      name: 'js-sdk',
      title: 'Databricks SDK for JavaScript',
      prepare: async () => ({
        command: [process.execPath, program('js-sdk.mjs')],
        version: `${packageVersion(root, '@databricks/sdk-experimental')} of @databricks/sdk-experimental`,
      }),
    },
    {
      name: 'lakebase-driver',
      title: '@databricks/lakebase',
      prepare: async () => {
        const packages = folder('node')
        await installLocked(packages)
        const of = (name) => `${name} ${packageVersion(packages, name)}`
        return {
          command: [process.execPath, join(packages, 'lakebase-driver.mjs')],
          version: [
            packageVersion(packages, '@databricks/lakebase'),
            `with ${of('drizzle-orm')}, ${of('knex')}, ${of('@prisma/client')}`,
          ].join(' '),
        }
      },
    },
    {
      name: 'curl',
      title: 'curl, every method',
      prepare: async () => ({
        command: ['bash', program('rest.sh')],
        version: (await printed('curl', ['--version'])).split(' ')[1],
      }),
    },
    {
      name: 'store-m2m',
      title: 'examples/store as a service principal',
      prepare: async () => {
        const binary = await python(say)
        return {
          command: [process.execPath, program('store-m2m.mjs')],
          version: `as committed, with SQLAlchemy ${await pythonPackageVersion(binary, 'SQLAlchemy')}`,
        }
      },
    },
    {
      name: 'opentofu',
      title: 'OpenTofu with the Databricks provider',
      prepare: async () => {
        say('waiting for the builds of OpenTofu and its provider')
        const { tofuBinary, providerBinary, version } = await builds
        return {
          command: [process.execPath, program('opentofu.mjs'), tofuBinary, providerBinary],
          version,
        }
      },
    },
    notRun(
      'databricks-cli',
      'The databricks command line, and bundles',
      'licensed for use with Databricks services only',
    ),
    notRun(
      'terraform',
      'Terraform',
      'under the Business Source License since 1.6; OpenTofu runs the same provider',
    ),
  ]
}
