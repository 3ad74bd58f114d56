/** A git repository with an example in it, and detached worktrees of it, as coding agents use them. */
import { cpSync, mkdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { run } from '../../scripts/run-command.mjs'

const examples = resolve(import.meta.dirname, '../../examples')

export async function must(command, args, options) {
  const done = await run(command, args, options)
  if (done.code !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.code}\n${done.output}`)
  return done.stdout
}

const git = (directory, ...args) =>
  must('git', [
    '-C',
    directory,
    '-c',
    'user.name=Test',
    '-c',
    'user.email=test@example.com',
    '-c',
    'commit.gpgsign=false',
    ...args,
  ])

const isSource = (path) =>
  !['node_modules', '.venv', '.env', '__pycache__'].includes(basename(path))

/** Answers with the directory of a detached worktree. */
export async function checkOut(home, ...names) {
  const repository = join(home, 'repository')
  mkdirSync(repository, { recursive: true })
  for (const name of names) {
    cpSync(join(examples, name), join(repository, name), { recursive: true, filter: isSource })
  }
  await git(repository, 'init', '--quiet', '--initial-branch', 'main')
  await git(repository, 'add', '--all')
  await git(repository, 'commit', '--quiet', '--message', 'The example')
  const worktree = join(home, 'agent-1')
  await git(repository, 'worktree', 'add', '--quiet', '--detach', worktree)
  return { repository, worktree, git }
}

/** The variables of an `.env` that the script wrote; its values here need no unquoting but quotes. */
export const parseEnv = (text) =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => /^[A-Z_]+=/.test(line))
      .map((line) => [
        line.slice(0, line.indexOf('=')),
        line.slice(line.indexOf('=') + 1).replace(/^'(.*)'$/, '$1'),
      ]),
  )
