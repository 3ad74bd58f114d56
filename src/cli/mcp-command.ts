/**
 * `lakelet mcp`: Lakelet's tools for a coding agent, over standard input and output or over HTTP on this machine. They do what the command
 * line does in this worktree, by the same code and as the same identity, and no more than was allowed at the start.
 */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { CommandContext, FillCommand } from './command-context.ts'
import { readScopes, scopes } from './mcp/scopes.ts'
import type { OpenSession } from './mcp/server.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'
import { reach } from './worktree-branch.ts'

const details = `
Without --allow the tools read, make this git worktree's own branch, write its env file and let it live longer. --allow adds:
${Object.entries(scopes)
  .map(([name, say]) => `  ${name.padEnd(10)} ${say}`)
  .join('\n')}
Whatever is allowed here, the rights of the identity hold: give an agent a token of its own with CAN_BRANCH.

Examples:
  claude mcp add lakelet -- lakelet mcp
  lakelet mcp --allow write,branches
  lakelet mcp --http --port 7433`

interface McpFlags {
  readonly allow?: string
  readonly worktree?: string
  readonly http?: true
  readonly port?: string
  readonly tokenFile?: string
}

const usualPort = 7433

export const fillMcp: FillCommand = (command, context) => {
  command
    .option('--allow <what>', 'what else than reading, with commas between')
    .option('--worktree <dir>', 'the git worktree; default: where it is started')
    .option('--http', 'listen on 127.0.0.1 instead of speaking on standard input and output')
    .option('--port <port>', `with --http: where; default: ${usualPort}`)
    .option('--token-file <file>', 'with --http: who knows its content may call; made if absent')
    .addHelpText('after', details)
    .action(async (flags: McpFlags) => {
      const allowed = readScopes(flags.allow)
      const { makeMcpServer } = await import('./mcp/server.ts')
      const io = ioOf(flags, context)
      const open: OpenSession = async (caller, signal) => {
        const named = { ...io, env: { ...io.env, AI_AGENT: io.env.AI_AGENT || caller } }
        const reached = await reach(command, { ...context, io: named })
        const { userName: login } = await reached.client.me()
        return { ...reached, io: named, allowed, login, signal }
      }
      const make = () => makeMcpServer(allowed, open)
      if (flags.http) return overHttp(command, io, make)
      refuseWithoutHttp(flags)
      const { StdioServerTransport } = await import('@modelcontextprotocol/sdk/server/stdio.js')
      const server = make()
      await server.connect(new StdioServerTransport())
      await Promise.race([endOf(process.stdin), endSignal()])
      await server.close()
    })
}

/** Nothing may draw on standard output, which belongs to the protocol. */
function ioOf({ worktree }: McpFlags, { io }: CommandContext): CliIo {
  const cwd = worktree === undefined ? io.cwd : resolve(io.cwd, worktree)
  return { ...io, cwd, stdout: io.stderr }
}

function refuseWithoutHttp({ port, tokenFile }: McpFlags): void {
  const given = port !== undefined ? '--port' : tokenFile !== undefined ? '--token-file' : undefined
  if (given !== undefined) throw new Refusal(`${given} is for --http alone`, 'Add --http.')
}

async function overHttp(
  command: Command,
  io: CliIo,
  make: () => ReturnType<typeof import('./mcp/server.ts').makeMcpServer>,
): Promise<void> {
  const [{ serveHttp }, { readOrMakeToken, usualTokenFile }] = await Promise.all([
    import('./mcp/http.ts'),
    import('./mcp/token-file.ts'),
  ])
  const { port = String(usualPort), tokenFile } = command.opts<McpFlags>()
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new Refusal(`--port: ${JSON.stringify(port)} is no port`)
  }
  const path = tokenFile === undefined ? usualTokenFile(io) : resolve(io.cwd, tokenFile)
  const token = await readOrMakeToken(path)
  const say = (line: string) => io.stderr.write(`${line}\n`)
  const served = await serveHttp({ port: Number(port), token }, make, (error) =>
    say(`lakelet mcp: ${error instanceof Error ? error.message : String(error)}`),
  )
  say(`MCP on http://127.0.0.1:${served.port}/mcp for ${io.cwd}; its bearer token is in ${path}`)
  await endSignal()
  await served.close()
}

const endOf = (stream: NodeJS.ReadStream): Promise<void> =>
  new Promise((resolve) => {
    stream.once('end', resolve)
    stream.once('close', resolve)
  })

const endSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, resolve)
  })
