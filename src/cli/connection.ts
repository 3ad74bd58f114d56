/**
 * Which server a command talks to, and as whom. The first that applies:
 *
 * 1. `--profile NAME`: that profile of `.databrickscfg`.
 * 2. `DATABRICKS_HOST`, with `DATABRICKS_TOKEN` or with `DATABRICKS_CLIENT_ID` and
 *    `DATABRICKS_CLIENT_SECRET`. What is missing is taken from `DATABRICKS_CONFIG_PROFILE`; whoever
 *    signed in there with `lakelet auth login` needs neither, nor does a CI job whose own token is
 *    exchanged (`DATABRICKS_AUTH_TYPE`), and for the local server's own address the owner's token is enough.
 * 3. `DATABRICKS_CONFIG_PROFILE`: that profile.
 * 4. The server of this machine's state directory, when one was ever started there. When it is not
 *    running the command fails: falling through would send it to another server than the day before.
 * 5. Profile `DEFAULT` of `.databrickscfg`.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import {
  type AccessTokenSource,
  clientCredentialsToken,
  exchangedToken,
  personalAccessToken,
  signedInToken,
} from '../client/access-token.ts'
import { LakeletClient, userAgent } from '../client/lakelet-client.ts'
import { TokenCache } from '../client/token-cache.ts'
import { Secret } from '../lib/secret.ts'
import { systemClock } from '../lib/time.ts'
import { codingAgent } from './coding-agent.ts'
import { type DatabricksConfig, type Profile, readDatabricksConfig } from './databricks-config.ts'
import {
  findStateDir,
  type LocalServer,
  localUrl,
  neededServer,
  readLocalServer,
  readOwnerToken,
} from './local-server.ts'
import { isOidcSource, type OidcSource, subjectToken } from './oidc-subject.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

/** In the words of `auth_type` in profiles. */
export type AuthType = 'pat' | 'oauth-m2m' | 'databricks-cli' | OidcSource

export interface Connection {
  readonly host: string
  readonly token: AccessTokenSource
  readonly authType: AuthType
  /** The server of this machine, when it is the one that is talked to. */
  readonly local: LocalServer | undefined
}

export interface ConnectionFlags {
  readonly profile?: string
  readonly debug?: boolean
  readonly stateDir?: string
  readonly config?: string
}

export const settingFlags = ({
  stateDir,
  config,
}: ConnectionFlags): Record<string, string | undefined> => ({ 'state-dir': stateDir, config })

export async function connect(flags: ConnectionFlags, io: CliIo): Promise<Connection> {
  const { env } = io
  const stateDir = () => findStateDir(settingFlags(flags), io)
  if (flags.profile !== undefined) {
    return byProfile(await neededConfig(io, flags.profile), flags.profile, io)
  }
  const named = env.DATABRICKS_CONFIG_PROFILE || undefined
  if (env.DATABRICKS_HOST) {
    const config = named === undefined ? undefined : await neededConfig(io, named)
    return byEnvironment(
      env.DATABRICKS_HOST,
      io,
      config && profileOf(config, named ?? ''),
      stateDir,
    )
  }
  if (named !== undefined) return byProfile(await neededConfig(io, named), named, io)
  const local = await byLocalServer(await stateDir())
  if (local !== undefined) return local
  const config = await readDatabricksConfig(io)
  if (config?.profile('DEFAULT')?.host !== undefined) return byProfile(config, 'DEFAULT', io)
  throw new Refusal(
    `no server: none was started with the state directory ${await stateDir()}, and neither DATABRICKS_HOST nor a profile names one`,
    'Start one with: lakelet up',
  )
}

/** A client for the connection; with `--debug` each request is shown on standard error. */
export function clientFor(
  { host, token }: Pick<Connection, 'host' | 'token'>,
  { debug }: Pick<ConnectionFlags, 'debug'>,
  io: CliIo,
): LakeletClient {
  const trace = (line: string) => io.stderr.write(`${line}\n`)
  const agent = codingAgent(io.env)
  return new LakeletClient({
    host,
    token,
    ...(agent === undefined ? {} : { agent }),
    ...(debug ? { trace } : {}),
  })
}

async function byEnvironment(
  address: string,
  io: CliIo,
  profile: Profile | undefined,
  stateDir: () => Promise<string>,
): Promise<Connection> {
  const { env } = io
  const host = normalizeHost(address, 'DATABRICKS_HOST')
  const local = await localAt(host, stateDir)
  const found = tokenOf(
    host,
    {
      ...profile,
      ...defined({
        token: env.DATABRICKS_TOKEN,
        clientId: env.DATABRICKS_CLIENT_ID,
        clientSecret: env.DATABRICKS_CLIENT_SECRET,
        authType: env.DATABRICKS_AUTH_TYPE,
      }),
    },
    io,
  )
  if (found !== undefined) return { host, ...found, local }
  if ((await tokenCacheOf(io).get(host)) !== undefined) {
    return { host, ...signedIn(host, io), local }
  }
  const owner = local === undefined ? undefined : await readOwnerToken(local.stateDir)
  if (owner !== undefined) return { host, ...byToken(owner), local }
  throw new Refusal(
    'DATABRICKS_HOST is set, but nothing says who you are',
    'Set DATABRICKS_TOKEN, or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET, or sign in: lakelet auth login.',
  )
}

/** The local server if it listens at this address. Whatever is wrong with it is no concern here. */
async function localAt(
  host: string,
  stateDir: () => Promise<string>,
): Promise<LocalServer | undefined> {
  const { hostname, port, protocol } = new URL(host)
  if (protocol !== 'http:' || !/^(localhost|127\..*|\[::1\]|.*\.localhost)$/.test(hostname)) {
    return undefined
  }
  try {
    const server = await readLocalServer(await stateDir())
    return server !== undefined && String(server.apiPort) === port ? server : undefined
  } catch {
    return undefined
  }
}

function byProfile(config: DatabricksConfig, name: string, io: CliIo): Connection {
  const profile = profileOf(config, name)
  if (profile.host === undefined) {
    throw new Refusal(`profile ${name} of ${config.path} has no host`)
  }
  const host = normalizeHost(profile.host, `profile ${name} of ${config.path}`)
  const found = tokenOf(host, profile, io)
  if (found === undefined) {
    throw new Refusal(
      `profile ${name} of ${config.path} has neither a token nor a client_id with client_secret`,
      profile.authType === undefined
        ? `Add a token to it, or sign in: lakelet auth login --profile ${name}`
        : `auth_type ${profile.authType} is not supported here; add a token to the profile.`,
    )
  }
  return { host, ...found, local: undefined }
}

async function byLocalServer(stateDir: string): Promise<Connection | undefined> {
  const server = await readLocalServer(stateDir)
  const owner = await readOwnerToken(stateDir)
  if (server === undefined && owner === undefined) return undefined
  const running = await neededServer(stateDir)
  return { host: localUrl(running.server), ...byToken(running.owner), local: running.server }
}

async function neededConfig(io: CliIo, profile: string): Promise<DatabricksConfig> {
  const config = await readDatabricksConfig(io)
  if (config !== undefined) return config
  throw new Refusal(
    `profile ${profile} is asked for, but there is no ~/.databrickscfg`,
    'Make the file, or name another one with DATABRICKS_CONFIG_FILE.',
  )
}

function profileOf(config: DatabricksConfig, name: string): Profile {
  const profile = config.profile(name)
  if (profile !== undefined) return profile
  const { profileNames: names } = config
  throw new Refusal(
    `${config.path} has no profile ${name}`,
    names.length === 0 ? 'It has no profiles at all.' : `It has: ${names.join(', ')}.`,
  )
}

type Proof = Pick<Connection, 'token' | 'authType'>

const byToken = (token: Secret): Proof => ({ token: personalAccessToken(token), authType: 'pat' })

const signedIn = (host: string, io: CliIo): Proof => ({
  token: signedInToken({ host, cache: tokenCacheOf(io), clock: systemClock }),
  authType: 'databricks-cli',
})

/** A token wins over a client id unless `auth_type` asks for something else. */
function tokenOf(
  host: string,
  { token, clientId, clientSecret, authType }: Profile,
  io: CliIo,
): Proof | undefined {
  if (authType === 'databricks-cli') return signedIn(host, io)
  if (isOidcSource(authType)) {
    const subject = subjectToken(authType, io)
    return {
      token: exchangedToken({ host, clientId, subject, userAgent, clock: systemClock }),
      authType,
    }
  }
  if (token !== undefined && authType !== 'oauth-m2m') return byToken(new Secret(token))
  if (clientId === undefined || clientSecret === undefined) return undefined
  return {
    token: clientCredentialsToken({
      host,
      clientId,
      clientSecret: new Secret(clientSecret),
      userAgent,
      clock: systemClock,
    }),
    authType: 'oauth-m2m',
  }
}

/** Tokens of those who signed in on this account of this machine. */
export function tokenCacheOf({ env }: Pick<CliIo, 'env'>): TokenCache {
  const cache = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache')
  return new TokenCache(join(cache, 'lakelet', 'tokens.json'), systemClock)
}

/** As the SDKs do: `https://` when no scheme is given; path and query dropped. */
export function normalizeHost(text: string, origin: string): string {
  const address = /^[a-z]+:\/\//i.test(text.trim()) ? text.trim() : `https://${text.trim()}`
  if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) {
    throw new Refusal(`${origin}: ${JSON.stringify(text)} is not the address of a server`)
  }
  return new URL(address).origin
}

const defined = (values: Readonly<Record<string, string | undefined>>): Profile =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value))
