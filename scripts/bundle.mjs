/**
 * Puts the command line into few files: to find and load forty modules costs each command more than to
 * run it. Takes the place of the compiler's dist/cli/run-cli.js; each command stays a file of its own,
 * loaded by need. The files lie beside the compiler's, so that what they look for by path is where it was.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cli = fileURLToPath(new URL('../dist/cli', import.meta.url))
if (!existsSync(join(cli, 'run-cli.js'))) process.exit()

for (const name of readdirSync(cli)) {
  if (name.startsWith('part-')) rmSync(join(cli, name)) // of the build before
}
try {
  const { rolldown } = await import('rolldown')
  const bundle = await rolldown({
    input: join(cli, 'run-cli.js'),
    platform: 'node',
    logLevel: 'warn',
  })
  await bundle.write({
    dir: cli,
    format: 'esm',
    minify: true,
    entryFileNames: 'run-cli.js',
    chunkFileNames: 'part-[name]-[hash].js',
  })
  await bundle.close()
} catch (error) {
  // Its program is built for each platform, and npm may have left out this one. What the compiler made
  // does the same, a little later.
  const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
  console.error(`The command line stays in many files, which makes it slower to start: ${why}`)
}
