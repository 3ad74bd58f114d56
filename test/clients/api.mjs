/** The few API calls that the programs of this folder share: plain HTTP, as the contract has it. */
import { setTimeout as sleep } from 'node:timers/promises'

export class ApiError extends Error {
  constructor(method, path, status, body) {
    super(`${method} ${path}: ${status} ${JSON.stringify(body)}`)
    this.status = status
    this.code = body?.error_code
  }
}

export function apiOf(token, host = process.env.DATABRICKS_HOST) {
  async function call(method, path, body) {
    const answer = await fetch(`${host}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const parsed = await answer.json()
    if (!answer.ok) throw new ApiError(method, path, answer.status, parsed)
    return parsed
  }
  const postgres = (method, path, body) => call(method, `/api/2.0/postgres/${path}`, body)

  /** Polls at least once, as every client does. */
  async function finished(operation) {
    for (let tries = 0; tries < 1200; tries += 1) {
      const seen = await postgres('GET', operation.name)
      if (seen.error) throw new Error(`${operation.name}: ${JSON.stringify(seen.error)}`)
      if (seen.done) {
        if (!seen.response) throw new Error(`${operation.name} is done without a response`)
        return seen.response
      }
      await sleep(50)
    }
    throw new Error(`${operation.name} did not finish within a minute`)
  }

  return {
    call,
    postgres,
    finished,
    me: () => call('GET', '/api/2.0/preview/scim/v2/Me'),
    createBranch: async (project, id, spec) =>
      finished(await postgres('POST', `projects/${project}/branches?branch_id=${id}`, { spec })),
    deleteBranch: async (name) => finished(await postgres('DELETE', name)),
    endpoint: (branch) => postgres('GET', `${branch}/endpoints/primary`),
    credential: (endpoint) => postgres('POST', 'credentials', { endpoint }),
  }
}

export function check(isTrue, what) {
  if (!isTrue) throw new Error(`not so: ${what}`)
}

/** A branch's life as the server reports it, in seconds. */
export const lifeOf = (branch) =>
  Math.round((Date.parse(branch.status.expire_time) - Date.parse(branch.create_time)) / 1000)
