#!/usr/bin/env node
/** The program `lakelet`: `up` runs the server, everything else is the command line. */
const argv = process.argv.slice(2)
// Loaded by need: a command must not pay for the server's modules, nor the server for the commands'.
if (argv[0] === 'up' && !argv.some((word) => word === '--help' || word === '-h')) {
  const { up } = await import('./up.ts')
  process.exit(await up(argv.slice(1)))
} else {
  const { runCli } = await import('../cli/run-cli.ts')
  process.exitCode = await runCli(argv)
}
