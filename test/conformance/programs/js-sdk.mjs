/**
 * `@databricks/sdk-experimental`: it has no Postgres service, so programs send raw requests through it;
 * identities and tokens go through its own services. (`@databricks/sdk-postgres` is not on npm.)
 */
import { WorkspaceClient } from '@databricks/sdk-experimental'
import { check } from '../../clients/api.mjs'
import { NotRun, row } from '../rows.mjs'

const project = 'js-sdk'
const client = new WorkspaceClient({})

/** Anew for each request: the SDK's fetch writes the length of a body into them. */
const freshHeaders = () =>
  new Headers({ 'Content-Type': 'application/json', Accept: 'application/json' })

const send = (method, path, { query, payload } = {}) =>
  client.apiClient.request({
    path: `/api/2.0/postgres/${path}`,
    method,
    query,
    headers: freshHeaders(),
    raw: false,
    ...(payload === undefined ? {} : { payload }),
  })

async function finished(operation) {
  for (let tries = 0; tries < 200; tries += 1) {
    const seen = await send('GET', operation.name)
    if (typeof seen.done !== 'boolean') throw new Error('done is missing')
    if (seen.error) throw new Error(`${seen.error.error_code}: ${seen.error.message}`)
    if (seen.done) return seen.response
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the operation does not end')
}

async function refusal(work) {
  try {
    await work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was refused')
}

await row('@databricks/sdk-postgres', () => {
  throw new NotRun('npm has no package of this name')
})

await row('currentUser.me', async () => {
  const me = await client.currentUser.me()
  check(typeof me.userName === 'string' && typeof me.id === 'string', JSON.stringify(me))
})

await row('raw POST, GET: a project, its operation, its branches', async () => {
  const created = await finished(
    await send('POST', 'projects', {
      query: { project_id: project },
      payload: { spec: { display_name: 'JS' } },
    }),
  )
  check(created.name === `projects/${project}`, JSON.stringify(created))
  const { branches } = await send('GET', `projects/${project}/branches`)
  check(branches.length === 1 && branches[0].branch_id === 'production', JSON.stringify(branches))
})

await row('raw POST: a branch with a ttl', async () => {
  const branch = await finished(
    await send('POST', `projects/${project}/branches`, {
      query: { branch_id: 'dev' },
      payload: { spec: { ttl: '3600s' } },
    }),
  )
  check(branch.status.current_state === 'READY', JSON.stringify(branch))
})

await row('raw POST: a credential', async () => {
  const endpoint = `projects/${project}/branches/dev/endpoints/primary`
  const credential = await send('POST', 'credentials', { payload: { endpoint } })
  check(
    typeof credential.token === 'string' && typeof credential.expire_time === 'string',
    'strings',
  )
})

await row('raw PATCH', () => {
  throw new NotRun('this SDK sends bodies with POST and PUT only')
})

await row('an error has its code, its status and its details', async () => {
  const error = await refusal(() => send('GET', 'projects/absent'))
  check(error.constructor.name === 'ApiError', `an ApiError: ${error.constructor.name}`)
  check(error.errorCode === 'NOT_FOUND' && error.statusCode === 404, `${error.message}`)
})

await row('an error with ErrorInfo in its details is parsed', async () => {
  const error = await refusal(() => send('DELETE', `projects/${project}/branches/production`))
  check(error.statusCode === 400, `${error.constructor.name}: ${error.message}`)
})

await row('raw DELETE: the project, purged', async () => {
  await finished(await send('DELETE', `projects/${project}`, { query: { purge: true } }))
})

await row('tokens: create, list, delete', async () => {
  const created = await client.tokens.create({ comment: 'js-sdk', lifetime_seconds: 600 })
  check(typeof created.token_value === 'string', 'a token_value')
  const listed = []
  for await (const token of client.tokens.list()) listed.push(token.token_id)
  check(listed.includes(created.token_info.token_id), 'the token is listed')
  await client.tokens.delete({ token_id: created.token_info.token_id })
})

await row('oauth-m2m', async () => {
  const principal = await client.apiClient.request({
    path: '/api/2.0/preview/scim/v2/ServicePrincipals',
    method: 'POST',
    headers: freshHeaders(),
    raw: false,
    payload: { displayName: 'js-m2m', active: true },
  })
  const secret = await client.apiClient.request({
    path: `/api/2.0/accounts/servicePrincipals/${principal.id}/credentials/secrets`,
    method: 'POST',
    headers: freshHeaders(),
    raw: false,
    payload: {},
  })
  const other = new WorkspaceClient({
    host: process.env.DATABRICKS_HOST,
    clientId: principal.applicationId,
    clientSecret: secret.secret,
    authType: 'oauth-m2m',
  })
  const me = await other.currentUser.me()
  check(me.userName === principal.applicationId, `${me.userName}`)
})
