/**
 * What a pull request is told of its branch: one comment, found again by a mark in it and brought up to date. Also in the summary of the
 * job, and in the file of LAKELET_COMMENT_FILE. A comment that cannot be written is a warning: the job has what it needs.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, writeFileSync } from 'node:fs'

const { env } = process
const branch = `projects/${env.LAKELET_PROJECT}/branches/${env.LAKELET_BRANCH}`
const mark = `<!-- lakelet ${branch} -->`

const markdown = env.LAKELET_EVENT === 'closed' ? ofDeleted() : ofBranch()
if (env.LAKELET_COMMENT_FILE) writeFileSync(env.LAKELET_COMMENT_FILE, markdown)
if (env.GITHUB_STEP_SUMMARY) appendFileSync(env.GITHUB_STEP_SUMMARY, markdown)
if (env.GITHUB_TOKEN && env.GITHUB_REPOSITORY && env.LAKELET_PULL_REQUEST) {
  await tell().catch((error) => {
    console.log(`::warning::The pull request could not be told of ${branch}: ${error.message}`)
  })
}

function ofBranch() {
  const { status } = JSON.parse(
    execFileSync('lakelet', ['postgres', 'get-branch', branch], { encoding: 'utf8' }),
  )
  const source = status.source_branch?.split('/').at(-1)
  const end = status.expire_time === undefined ? 'never ends' : `ends ${status.expire_time}`
  return `${mark}
**Database branch \`${env.LAKELET_BRANCH}\`**${source === undefined ? '' : ` of \`${source}\``}, ${end}.

\`\`\`bash
lakelet psql ${env.LAKELET_PROJECT}/${env.LAKELET_BRANCH}
\`\`\`
${differencesTo(status.source_branch)}`
}

/** Bounded by `lakelet diff` itself. A copy of the source is compared, since a job may rarely log in to the source. */
function differencesTo(source) {
  if (source === undefined || env.LAKELET_DIFF === 'false') return ''
  try {
    const args = ['diff', source, branch, '--copy', '--markdown']
    const options = { encoding: 'utf8', maxBuffer: 2 ** 24, stdio: ['ignore', 'pipe', 'pipe'] }
    const said = execFileSync('lakelet', args, { ...options, timeout: 600_000 })
    return `\n${said.slice(said.indexOf('\n') + 1)}` // its own mark is not needed
  } catch (error) {
    const [why] = (error.stderr || error.message).trim().split('\n')
    console.log(`::warning::The differences of ${branch} could not be read: ${why}`)
    return '\nHow it differs from its source could not be read: the log of the job says why.\n'
  }
}

function ofDeleted() {
  return `${mark}
**Database branch \`${env.LAKELET_BRANCH}\`** is deleted. For seven days it can be brought back:

\`\`\`bash
lakelet postgres undelete-branch ${branch}
\`\`\`
`
}

/** https://docs.github.com/rest/issues/comments */
async function tell() {
  const comments = `repos/${env.GITHUB_REPOSITORY}/issues/${env.LAKELET_PULL_REQUEST}/comments`
  const before = await find(comments)
  if (before === undefined) await github('POST', comments, { body: markdown })
  else if (before.body !== markdown) {
    const one = `repos/${env.GITHUB_REPOSITORY}/issues/comments/${before.id}`
    await github('PATCH', one, { body: markdown })
  }
}

async function find(comments) {
  for (let page = 1; ; page += 1) {
    const found = await github('GET', `${comments}?per_page=100&page=${page}`)
    const ours = found.find(({ body }) => body?.startsWith(mark))
    if (ours !== undefined || found.length < 100) return ours
  }
}

async function github(method, path, body) {
  const answer = await fetch(`${env.GITHUB_API_URL ?? 'https://api.github.com'}/${path}`, {
    method,
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${env.GITHUB_TOKEN}`,
      'x-github-api-version': '2022-11-28',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(30_000),
  })
  if (!answer.ok) {
    const hint = answer.status === 403 ? ' Give the job "permissions: pull-requests: write".' : ''
    throw new Error(`${method} ${path.split('?')[0]} answered ${answer.status}.${hint}`)
  }
  return answer.json()
}
