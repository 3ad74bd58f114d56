/**
 * The token that a CI job has of its own provider, to be exchanged for one of the server's: by the values of `auth_type` and the
 * variables that the Databricks SDKs know. No secret is kept anywhere: each command asks, and what it gets ends within the hour.
 */
import { readFile } from 'node:fs/promises'
import { ConnectionFailed } from '../client/api-error.ts'
import { exchange, isSuccess } from '../client/exchange.ts'
import { Secret } from '../lib/secret.ts'
import { deadline, seconds } from '../lib/time.ts'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

export const oidcSources = ['github-oidc', 'env-oidc', 'file-oidc'] as const
export type OidcSource = (typeof oidcSources)[number]

export const isOidcSource = (authType: string | undefined): authType is OidcSource =>
  oidcSources.some((source) => source === authType)

export function subjectToken(
  source: OidcSource,
  { env }: Pick<CliIo, 'env'>,
): () => Promise<Secret> {
  switch (source) {
    case 'github-oidc':
      return () => ofGitHub(env)
    case 'env-oidc':
      return async () => ofVariable(env)
    case 'file-oidc':
      return () => ofFile(env)
  }
}

/** https://docs.github.com/actions/reference/security/oidc */
async function ofGitHub(env: CliIo['env']): Promise<Secret> {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: address, ACTIONS_ID_TOKEN_REQUEST_TOKEN: proof } = env
  const audience = env.DATABRICKS_TOKEN_AUDIENCE
  if (!address || !proof || !URL.canParse(address)) {
    throw new Refusal(
      'auth_type is github-oidc, but this job of GitHub Actions may ask for no token',
      'Give the job "permissions: id-token: write". Pull requests from forks get none.',
    )
  }
  if (!audience) {
    throw new Refusal(
      'auth_type is github-oidc, but nothing says for whom the token shall be',
      'Set DATABRICKS_TOKEN_AUDIENCE to the audience of the --trusted-issuers file.',
    )
  }
  const url = new URL(address)
  url.searchParams.set('audience', audience)
  const answer = await exchange(url.href, {
    method: 'GET',
    headers: { authorization: `bearer ${proof}`, accept: 'application/json' },
    signal: deadline(seconds(30)),
  }).catch((error: unknown) => {
    throw new ConnectionFailed(url.origin, error)
  })
  const { value } = (isSuccess(answer.status) ? parsed(answer.text) : {}) as { value?: unknown }
  if (typeof value === 'string' && value !== '') return new Secret(value)
  throw new Refusal(
    `GitHub gave no token (${answer.status} ${answer.statusText})`,
    'Run the job again; it is their side that failed.',
  )
}

function ofVariable(env: CliIo['env']): Secret {
  const name = env.DATABRICKS_OIDC_TOKEN_ENV || 'DATABRICKS_OIDC_TOKEN'
  const value = env[name]?.trim()
  if (value) return new Secret(value)
  throw new Refusal(
    `auth_type is env-oidc, but ${name} is empty`,
    'Name the variable that holds the token with DATABRICKS_OIDC_TOKEN_ENV; in GitLab: id_tokens.',
  )
}

async function ofFile(env: CliIo['env']): Promise<Secret> {
  const path = env.DATABRICKS_OIDC_TOKEN_FILEPATH
  if (!path) {
    throw new Refusal(
      'auth_type is file-oidc, but nothing says which file',
      'Set DATABRICKS_OIDC_TOKEN_FILEPATH.',
    )
  }
  const value = (await readFile(path, 'utf8').catch(() => '')).trim()
  if (value !== '') return new Secret(value)
  throw new Refusal(
    `${path} holds no token, or cannot be read`,
    'Let your CI write one: DATABRICKS_OIDC_TOKEN_FILEPATH.',
  )
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}
