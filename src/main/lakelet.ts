#!/usr/bin/env node
/** The program `lakelet`: `up` runs the server, everything else is the command line. */
import { runCli } from '../cli/run-cli.ts'

process.exitCode = await runCli(process.argv.slice(2))
