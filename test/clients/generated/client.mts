/**
 * The life of a branch through types that were generated from the API document: what does not compile
 * here, or does not run, a stranger could not use. Built and run by programs/generated-client.mjs.
 */
import createClient from 'openapi-fetch'
import type { components, paths } from './api.js'

const { DATABRICKS_HOST = '', DATABRICKS_TOKEN = '', PROJECT = '' } = process.env

const client = createClient<paths>({
  baseUrl: DATABRICKS_HOST,
  headers: { authorization: `Bearer ${DATABRICKS_TOKEN}` },
})

type Schemas = components['schemas']

/** What was answered, or the refusal as an error. */
function good<T>(answer: { readonly data?: T; readonly error?: Schemas['Error'] }): T {
  if (answer.data !== undefined) return answer.data
  throw new Error(`${answer.error?.error_code}: ${answer.error?.message}`)
}

async function finished(started: Schemas['BranchOperation'], branch: string) {
  const operation = started.name.split('/').at(-1) ?? ''
  for (let tries = 0; tries < 600; tries += 1) {
    const polled = good(
      await client.GET(
        '/api/2.0/postgres/projects/{project}/branches/{branch}/operations/{operation}',
        { params: { path: { project: PROJECT, branch, operation } } },
      ),
    )
    if (polled.error !== undefined) throw new Error(polled.error.message)
    if (polled.done) return polled.response
  }
  throw new Error(`${started.name} does not end`)
}

const branch = 'generated'
const one = { params: { path: { project: PROJECT, branch } } } as const

const created = await finished(
  good(
    await client.POST('/api/2.0/postgres/projects/{project}/branches', {
      params: { path: { project: PROJECT }, query: { branch_id: branch } },
      body: { spec: { ttl: '600s' } },
    }),
  ),
  branch,
)
if (created === undefined || !('status' in created)) throw new Error('no branch was made')
const state: 'INIT' | 'IMPORTING' | 'READY' | 'RESETTING' | 'DELETED' = created.status.current_state
if (state !== 'READY') throw new Error(`the branch is ${state}`)

const { branches } = good(
  await client.GET('/api/2.0/postgres/projects/{project}/branches', {
    params: { path: { project: PROJECT }, query: { page_size: 100 } },
  }),
)
if (!branches.some(({ name }) => name === created.name)) throw new Error('it is not listed')

const { token } = good(
  await client.POST('/api/2.0/postgres/credentials', {
    body: { endpoint: `${created.name}/endpoints/primary`, ttl: '300s' },
  }),
)
if (token.split('.').length !== 3) throw new Error('the credential is no token')

const { error } = await client.GET('/api/2.0/postgres/projects/{project}/branches/{branch}', {
  params: { path: { project: PROJECT, branch: 'absent' } },
})
if (error?.error_code !== 'NOT_FOUND') throw new Error('an absent branch was not refused')

await finished(
  good(await client.DELETE('/api/2.0/postgres/projects/{project}/branches/{branch}', one)),
  branch,
)
