/**
 * Whether a pull or merge request is still open, as GitHub or GitLab tells it. Only servers that the environment names are asked,
 * and each gets no token but its own: the address comes from whoever bound the branch.
 */
import { deadline, seconds } from '../lib/time.ts'
import type { AskPullRequest } from './left-overs.ts'

type Environment = Readonly<Record<string, string | undefined>>

interface Question {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** Asked once for each. What is not answered is unknown, absence included: a token may not see it. */
export function pullRequestAsker(env: Environment): AskPullRequest {
  const asked = new Map<string, ReturnType<AskPullRequest>>()
  return (address) => {
    const before = asked.get(address)
    if (before !== undefined) return before
    const answer = stateOf(questionOf(address, env))
    asked.set(address, answer)
    return answer
  }
}

async function stateOf(question: Question | undefined): ReturnType<AskPullRequest> {
  if (question === undefined) return 'unknown'
  try {
    const { url, headers } = question
    const reply = await fetch(url, { headers, redirect: 'error', signal: deadline(seconds(15)) })
    const body: unknown = reply.ok ? await reply.json() : undefined
    const state = typeof body === 'object' && body !== null && 'state' in body ? body.state : ''
    if (state === 'open' || state === 'opened' || state === 'locked') return 'there'
    return state === 'closed' || state === 'merged' ? 'gone' : 'unknown'
  } catch {
    return 'unknown'
  }
}

/** Pure: how it is asked for; `undefined`: nobody here knows that server. */
export function questionOf(address: string, env: Environment): Question | undefined {
  if (!URL.canParse(address)) return undefined
  const { origin, pathname } = new URL(address)
  // https://docs.github.com/rest/pulls/pulls#get-a-pull-request
  const pull = /^\/([\w.-]+\/[\w.-]+)\/pull\/(\d+)$/.exec(pathname)
  const github = env.GITHUB_SERVER_URL || 'https://github.com'
  if (pull !== null && origin === originOf(github)) {
    const usual = origin === 'https://github.com' ? 'https://api.github.com' : `${origin}/api/v3`
    const token = env.GITHUB_TOKEN || env.GH_TOKEN
    return {
      url: `${env.GITHUB_API_URL || usual}/repos/${pull[1]}/pulls/${pull[2]}`,
      headers: {
        accept: 'application/vnd.github+json',
        'user-agent': 'lakelet',
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
    }
  }
  // https://docs.gitlab.com/api/merge_requests/#get-single-mr
  const merge = /^\/([\w./-]+)\/-\/merge_requests\/(\d+)$/.exec(pathname)
  const gitlab = env.CI_SERVER_URL || 'https://gitlab.com'
  if (merge === null || origin !== originOf(gitlab)) return undefined
  const path = `projects/${encodeURIComponent(merge[1] ?? '')}/merge_requests/${merge[2]}`
  return {
    url: `${env.CI_API_V4_URL || `${origin}/api/v4`}/${path}`,
    headers: {
      'user-agent': 'lakelet',
      ...(env.GITLAB_TOKEN ? { 'private-token': env.GITLAB_TOKEN } : {}),
    },
  }
}

const originOf = (text: string): string | undefined =>
  URL.canParse(text) ? new URL(text).origin : undefined
