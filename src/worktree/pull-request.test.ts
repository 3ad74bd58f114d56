/** Against a server that answers as GitHub and GitLab document it. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pullRequestAsker, questionOf } from './pull-request.ts'

let forge: Server
let origin: string
const asked: { readonly path: string | undefined; readonly headers: IncomingHttpHeaders }[] = []

const answers: Readonly<Record<string, readonly [number, string]>> = {
  '/api/v3/repos/o/r/pulls/1': [200, '{"number":1,"state":"open"}'],
  '/api/v3/repos/o/r/pulls/2': [200, '{"number":2,"state":"closed"}'],
  '/api/v3/repos/o/r/pulls/3': [200, 'no JSON'],
  '/api/v3/repos/o/r/pulls/4': [500, '{"state":"closed"}'],
  '/api/v4/projects/g%2Fs%2Fp/merge_requests/1': [200, '{"iid":1,"state":"opened"}'],
  '/api/v4/projects/g%2Fs%2Fp/merge_requests/2': [200, '{"iid":2,"state":"merged"}'],
}

beforeAll(async () => {
  forge = createServer((request, response) => {
    asked.push({ path: request.url, headers: request.headers })
    const [status, body] = answers[request.url ?? ''] ?? [404, '{"message":"Not Found"}']
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })
  await new Promise<void>((done) => forge.listen(0, '127.0.0.1', done))
  const address = forge.address()
  origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
})
afterAll(() => {
  forge.close()
})

test('an open one is there, a closed or merged one gone, and no answer says nothing', async () => {
  const github = pullRequestAsker({ GITHUB_SERVER_URL: origin, GITHUB_TOKEN: 'hub' })
  const states = [1, 2, 3, 4, 5].map((n) => github(`${origin}/o/r/pull/${n}`))
  expect(await Promise.all(states)).toEqual(['there', 'gone', 'unknown', 'unknown', 'unknown'])
  expect(asked.every(({ headers }) => headers.authorization === 'Bearer hub')).toBe(true)
  const seen = asked.length
  await github(`${origin}/o/r/pull/1`)
  expect(asked.length).toBe(seen)
  const gitlab = pullRequestAsker({ CI_SERVER_URL: origin, GITLAB_TOKEN: 'lab' })
  const merges = [1, 2, 3].map((n) => gitlab(`${origin}/g/s/p/-/merge_requests/${n}`))
  expect(await Promise.all(merges)).toEqual(['there', 'gone', 'unknown'])
  expect(asked.at(-1)?.headers['private-token']).toBe('lab')
})

test('nobody but the forge of the environment is asked, and none gets a token of another', () => {
  const env = { GITHUB_TOKEN: 'hub', GITLAB_TOKEN: 'lab' }
  expect(questionOf('https://evil.example/o/r/pull/1', env)).toBeUndefined()
  expect(questionOf('https://evil.example/o/r/-/merge_requests/1', env)).toBeUndefined()
  expect(questionOf('https://github.com.evil.example/o/r/pull/1', env)).toBeUndefined()
  expect(questionOf('https://github.com/o/r/../../user/pull/1', env)).toBeUndefined()
  expect(questionOf('no address', env)).toBeUndefined()
  expect(questionOf('https://github.com/o/r/pull/1', env)).toMatchObject({
    url: 'https://api.github.com/repos/o/r/pulls/1',
  })
  expect(
    JSON.stringify(questionOf('https://gitlab.com/o/r/-/merge_requests/1', env)),
  ).not.toContain('hub')
})

test('a server that does not answer is unknown', async () => {
  const env = { GITHUB_SERVER_URL: 'http://127.0.0.1:9' }
  expect(await pullRequestAsker(env)('http://127.0.0.1:9/o/r/pull/1')).toBe('unknown')
})
