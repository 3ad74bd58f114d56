/**
 * Installs the test runners by their lock and packs @lakelet/testing, built by its own `prepack`, into a directory; prints the
 * tarball's name. Run below `flock`, since test files do so at the same time.
 */
import { join, resolve } from 'node:path'
import { run } from '../../scripts/run-command.mjs'
import { installLocked } from '../clients/locked-packages.mjs'

const [destination] = process.argv.slice(2)
await installLocked(import.meta.dirname)
const done = await run('npm', ['pack', '--json', '--pack-destination', destination], {
  cwd: resolve(import.meta.dirname, '../../packages/testing'),
})
if (done.code !== 0) throw new Error(`npm pack: ${done.output}`)
const [, name] = /"filename":\s*"([^"]+)"/.exec(done.output) ?? []
console.log(join(destination, name))
