/**
 * `lakelet auth`: people sign in with a browser and are known from then on. Tokens stay in a file of
 * this account; a profile of `.databrickscfg` says where, so that other tools find the server as well.
 */
import type { Command } from 'commander'
import { SignInNeeded, signedInTokens } from '../client/access-token.ts'
import { LakeletClient } from '../client/lakelet-client.ts'
import type { UserTokens } from '../client/user-sign-in.ts'
import { minutes, rfc3339, systemClock } from '../lib/time.ts'
import { type CommandContext, type FillCommand, sharedOptions } from './command-context.ts'
import { connect, normalizeHost, settingFlags, tokenCacheOf } from './connection.ts'
import { databricksConfigPath, readDatabricksConfig } from './databricks-config.ts'
import { findStateDir, localUrl, readLocalServer } from './local-server.ts'
import { listenOnLoopback } from './loopback-listener.ts'
import { openBrowser } from './open-browser.ts'
import { Refusal } from './refusal.ts'
import { saveProfile } from './save-profile.ts'
import { type CliIo, printable, printJson } from './terminal.ts'

interface HostOption {
  readonly host?: string
}

export const fillAuth: FillCommand = (group, context) => {
  const login = group
    .command('login')
    .description('Sign in with a browser, and save a profile.')
    .option('--host <url>', 'the server')
    .option('--device', 'show a code for a browser elsewhere, instead of opening one here')
  login.action(({ host, device }: HostOption & { readonly device?: true }) =>
    signIn(login, context, { host, byDevice: device === true }),
  )
  const token = group
    .command('token')
    .description('Print an access token of who signed in, as JSON.')
    .option('--host <url>', 'the server')
  token.action(({ host }: HostOption) => printToken(token, context, host))
  const describe = group.command('describe').description('Show where commands go, and as whom.')
  describe.action(() => describeConnection(describe, context))
  const profiles = group
    .command('profiles')
    .description('List the profiles, and whether they work.')
    .option('--skip-validate', 'do not ask the servers')
  profiles.action(({ skipValidate }: { readonly skipValidate?: true }) =>
    listProfiles(profiles, context, skipValidate === true),
  )
  const logout = group
    .command('logout')
    .description('End a sign-in: on the server, and on this machine.')
    .option('--host <url>', 'the server')
  logout.action(({ host }: HostOption) => signOut(logout, context, host))
}

/** `--host`, then the profile, `DATABRICKS_HOST`, the server of this machine. */
async function hostFor(command: Command, { io }: CommandContext, given: string | undefined) {
  const options = sharedOptions(command)
  if (given !== undefined) return normalizeHost(given, '--host')
  const named = options.profile ?? (io.env.DATABRICKS_CONFIG_PROFILE || undefined)
  const config = await readDatabricksConfig(io)
  const profile = named === undefined ? undefined : config?.profile(named)
  if (profile?.host !== undefined) return normalizeHost(profile.host, `profile ${named}`)
  if (io.env.DATABRICKS_HOST) return normalizeHost(io.env.DATABRICKS_HOST, 'DATABRICKS_HOST')
  const local = await readLocalServer(await findStateDir(settingFlags(options), io))
  if (local !== undefined) return localUrl(local)
  const fallback = config?.profile('DEFAULT')?.host
  if (fallback !== undefined) return normalizeHost(fallback, 'profile DEFAULT')
  throw new Refusal('nothing says which server', 'Name it with --host.')
}

async function signIn(
  command: Command,
  context: CommandContext,
  { host: given, byDevice }: { readonly host: string | undefined; readonly byDevice: boolean },
): Promise<void> {
  const { io } = context
  const host = await hostFor(command, context, given)
  const tokens = await (byDevice ? withDevice(host, io) : withBrowser(host, io))
  const cache = tokenCacheOf(io)
  await cache.locked(() => cache.set(host, tokens))
  const { userName } = await new LakeletClient({ host, token: async () => tokens.accessToken }).me()
  const path = databricksConfigPath(io)
  const profile = await profileName(command, io)
  await saveProfile(path, profile, {
    host,
    ...(await workspaceOf(host, tokens)),
    auth_type: 'databricks-cli',
  })
  io.stderr.write(`Signed in to ${host} as ${userName}; profile ${profile} of ${path}.\n`)
}

/** The one asked for, else DEFAULT while nobody has it, else `lakelet`. */
async function profileName(command: Command, io: CliIo): Promise<string> {
  const asked = sharedOptions(command).profile ?? (io.env.DATABRICKS_CONFIG_PROFILE || undefined)
  if (asked !== undefined) {
    if (/^[\w.@-]{1,100}$/.test(asked)) return asked
    throw new Refusal('a profile has a name of letters, digits, dots, hyphens and underscores')
  }
  const config = await readDatabricksConfig(io)
  return config?.profile('DEFAULT') === undefined ? 'DEFAULT' : 'lakelet'
}

async function workspaceOf(host: string, tokens: UserTokens): Promise<{ workspace_id?: string }> {
  const client = new LakeletClient({ host, token: async () => tokens.accessToken })
  const { json } = await client.send({ method: 'GET', path: '/.well-known/databricks-config' })
  const id = (json as { workspace_id?: unknown } | undefined)?.workspace_id
  return typeof id === 'string' && /^\d+$/.test(id) ? { workspace_id: id } : {}
}

async function withBrowser(host: string, io: CliIo): Promise<UserTokens> {
  const { beginInBrowser } = await import('../client/user-sign-in.ts')
  const listener = await listenOnLoopback()
  try {
    const { url, finish } = await beginInBrowser({ host, clock: systemClock }, listener.redirectUri)
    const isOpen = await openBrowser(url.href, io)
    io.stderr.write(
      `${isOpen ? 'Your browser opens' : 'Open in a browser of this machine'}:\n  ${url.href}\n`,
    )
    return await finish(await listener.cameBack(minutes(10)))
  } finally {
    await listener.close()
  }
}

async function withDevice(host: string, io: CliIo): Promise<UserTokens> {
  const { signInByDevice } = await import('../client/user-sign-in.ts')
  return signInByDevice({ host, clock: systemClock }, ({ userCode, address, wholeAddress }) => {
    io.stderr.write(
      `Open in any browser:\n  ${printable(address)}\nand enter the code:\n  ${printable(userCode)}\nor open at once:\n  ${printable(wholeAddress)}\n`,
    )
  })
}

async function printToken(
  command: Command,
  context: CommandContext,
  given: string | undefined,
): Promise<void> {
  const { io } = context
  const host = await hostFor(command, context, given)
  const tokens = await signedInTokens({ host, cache: tokenCacheOf(io), clock: systemClock })
  printJson(
    {
      access_token: tokens.accessToken.reveal(),
      token_type: 'Bearer',
      expiry: rfc3339(tokens.expireTime),
    },
    io,
  )
}

async function describeConnection(command: Command, context: CommandContext): Promise<void> {
  const { io } = context
  const options = sharedOptions(command)
  const { host, token, authType } = await connect(options, io)
  const details = {
    host,
    auth_type: authType,
    ...(options.profile === undefined ? {} : { profile: options.profile }),
  }
  let described: Record<string, unknown>
  try {
    const { userName } = await new LakeletClient({ host, token }).me()
    described = { status: 'success', username: userName, details }
  } catch (error) {
    context.setExitCode(1)
    described = { status: 'error', error: error instanceof Error ? error.message : '', details }
  }
  if (options.output === 'json') return printJson(described, io)
  const { status, username, error } = described
  io.stdout.write(
    [
      `Host:           ${host}`,
      status === 'success'
        ? `User:           ${String(username)}`
        : `Cannot sign in: ${printable(String(error))}`,
      `Authenticated:  ${authType}`,
      '',
    ].join('\n'),
  )
}

async function listProfiles(
  command: Command,
  context: CommandContext,
  skipValidate: boolean,
): Promise<void> {
  const { io } = context
  const config = await readDatabricksConfig(io)
  const profiles = await Promise.all(
    (config?.profileNames ?? []).map(async (name) => {
      const { host, authType } = config?.profile(name) ?? {}
      return {
        name,
        host: host ?? '',
        auth_type: authType ?? '',
        ...(skipValidate ? {} : { valid: await isValid(name, io) }),
      }
    }),
  )
  if (sharedOptions(command).output === 'json') return printJson({ profiles }, io)
  const width = Math.max(4, ...profiles.map(({ name }) => name.length))
  const rows = profiles.map(
    ({ name, host, valid }) =>
      `${name.padEnd(width)}  ${valid === undefined ? '-' : valid ? 'YES' : 'NO '}  ${printable(host)}`,
  )
  io.stdout.write(`${[`${'Name'.padEnd(width)}  OK   Host`, ...rows].join('\n')}\n`)
}

async function isValid(profile: string, io: CliIo): Promise<boolean> {
  try {
    const { host, token } = await connect({ profile }, io)
    await new LakeletClient({ host, token }).me()
    return true
  } catch {
    return false
  }
}

async function signOut(
  command: Command,
  context: CommandContext,
  given: string | undefined,
): Promise<void> {
  const { io } = context
  const host = await hostFor(command, context, given)
  const cache = tokenCacheOf(io)
  await cache.locked(async () => {
    const tokens = await cache.get(host)
    if (tokens === undefined) throw new SignInNeeded(host, 'nobody is signed in')
    // The server first: a token that only this machine forgot would go on to work.
    const { revokeUserTokens } = await import('../client/user-sign-in.ts')
    try {
      await revokeUserTokens({ host, clock: systemClock }, tokens)
    } catch (error) {
      io.stderr.write(
        `The server could not be told (${error instanceof Error ? error.message : 'no reason'}); the tokens end there by themselves.\n`,
      )
    }
    await cache.set(host, undefined)
  })
  io.stderr.write(`Signed out of ${host}.\n`)
}
