/** Part 17: what somebody waits for who works in git worktrees: `lakelet dev`, the hook, twenty at a time. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, Part } from '../bench.ts'
import { run } from '../commands.ts'
import { bringTo, freshId } from '../create-timing.ts'
import { GitRepository } from '../git-repository.ts'
import type { LakeletServer } from '../lakelet-server.ts'
import { aRow, connect, timeFirstRow } from '../login.ts'
import { median } from '../statistics.ts'
import { readable, timingColumns, timingRow, verdict } from '../tables.ts'

const atATime = 20
const hookMayAdd = 150
const mayTake = 10_000

export const worktrees: Part = {
  name: 'worktrees',
  title: 'Worktrees: `lakelet dev`, the hook, twenty at a time',
  async run(bench) {
    const subject = await bench.main()
    const { server } = subject
    const source = await subject.sources.ofSize(bench.options.source)
    await bringTo(subject, source, 'suspended')
    const home = join(bench.home, 'worktrees')
    mkdirSync(home)
    const id = source.name.slice(source.name.lastIndexOf('/') + 1)
    const toml = `project = "store"\nsource = "${id}"\n`
    const repository = await GitRepository.make(server, home, toml)

    const devs = await timeDevs(bench, server, repository)
    const checkouts = await timeCheckouts(bench, repository)
    const twenties = await timeMany(bench, server, repository)
    const added = median(checkouts.hook) - median(checkouts.plain)
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow(
              '**`lakelet dev`, the branch exists**',
              devs.map(({ there }) => there),
              { p95: 1000 },
            ),
            timingRow(
              '**`lakelet dev`, the branch is new**',
              devs.map(({ made }) => made),
              { p95: 1500 },
            ),
            timingRow('`git switch` without the hook', checkouts.plain),
            timingRow('`git switch` with the hook', checkouts.hook),
            [
              '**Added by the hook**',
              String(checkouts.hook.length),
              readable(added),
              '–',
              `p50 ≤ ${hookMayAdd}`,
              verdict(added <= hookMayAdd),
            ],
            timingRow(`**${atATime} worktrees by a script, each with its database**`, twenties, {
              p95: mayTake,
            }),
          ],
        },
      ],
      explain: [
        `The whole process, from its start to its end. The branches begin with a source of ${source.name.slice(source.name.lastIndexOf('/') + 1)}, suspended; a new one is purged again after each run. No migrations: they are the project’s.`,
        'With the hook and without it in turns, between two branches of git in a repository of 200 files that have their databases already; what the hook starts in the background is over before the next turn. What is added is the difference of the medians.',
        `The script calls \`git worktree add -b\` and then \`lakelet dev --no-migrate\` for each of ${atATime}, all at once, and waits for all; the adds of git take turns (\`flock\`), since git stops where it meets a worktree that is half made. Afterwards each worktree’s env file is read: ${atATime} branches, and each answers a SELECT of a row of the source’s data, with the credential that is written there. That is not in the time.`,
      ],
    }
  },
}

const branchIn = (repository: GitRepository, directory?: string): string =>
  repository.variables(directory).get('LAKEBASE_BRANCH') ?? ''

function timeDevs(bench: Bench, server: LakeletServer, repository: GitRepository) {
  const timed = async (): Promise<number> => {
    const began = performance.now()
    await repository.lakelet('dev')
    return performance.now() - began
  }
  return bench.repeat(async () => {
    await repository.git('switch', '--quiet', '--create', freshId(), 'main')
    const made = await timed()
    const there = await timed()
    await server.purge(branchIn(repository))
    await delay(200) // what the purge does in the background is not part of the next create
    return { made, there }
  })
}

async function timeCheckouts(
  bench: Bench,
  repository: GitRepository,
): Promise<{ readonly plain: number[]; readonly hook: number[] }> {
  await repository.lakelet('hooks', 'install')
  for (const name of ['one', 'two']) {
    await repository.git('switch', '--quiet', '--create', name, 'main')
    await background(repository, name)
  }
  const timed = async (name: string, ...options: string[]): Promise<number> => {
    const began = performance.now()
    await repository.git(...options, 'switch', '--quiet', name)
    return performance.now() - began
  }
  const withoutHooks = ['-c', 'core.hooksPath=/dev/null']
  const rounds = await bench.repeat(async () => {
    const hook = await timed('one')
    await background(repository, 'one')
    const plain = await timed('two', ...withoutHooks)
    await timed('one', ...withoutHooks)
    const backHook = await timed('two')
    await background(repository, 'two')
    const backPlain = await timed('one', ...withoutHooks)
    await timed('two', ...withoutHooks)
    return { hook: [hook, backHook], plain: [plain, backPlain] }
  })
  await repository.lakelet('hooks', 'uninstall')
  return {
    hook: rounds.flatMap(({ hook }) => hook),
    plain: rounds.flatMap(({ plain }) => plain),
  }
}

/** Until what the hook began has written the env file. */
async function background(repository: GitRepository, name: string): Promise<void> {
  for (let looks = 0; looks < 600; looks += 1) {
    if (branchIn(repository).includes(`-${name}-`)) return delay(200)
    await delay(50)
  }
  throw new Error(`the hook gave no database to ${name}`)
}

function timeMany(
  bench: Bench,
  server: LakeletServer,
  repository: GitRepository,
): Promise<number[]> {
  const script = join(bench.home, 'worktrees', 'many.sh')
  writeFileSync(
    script,
    `set -e
pids=
for n in $(seq ${atATime}); do
  (flock ../adding git worktree add --quiet -b "$1-$n" "../$1-$n" main && cd "../$1-$n" && lakelet dev --no-migrate >/dev/null) &
  pids="$pids $!"
done
for pid in $pids; do wait "$pid"; done
`,
  )
  const ca = readFileSync(server.caFile, 'utf8')
  return bench.repeat(
    async () => {
      const name = freshId()
      const began = performance.now()
      await run('sh', [script, name], { cwd: repository.path, env: repository.env })
      const taken = performance.now() - began
      const directories = Array.from({ length: atATime }, (_, at) =>
        join(repository.path, '..', `${name}-${at + 1}`),
      )
      const branches = directories.map((directory) => branchIn(repository, directory))
      if (new Set(branches).size !== atATime || branches.includes('')) {
        throw new Error(`not every worktree has a branch of its own: ${branches.join(', ')}`)
      }
      for (const directory of directories) {
        const values = repository.variables(directory)
        const login = {
          host: values.get('PGHOST') ?? '',
          port: Number(values.get('PGPORT')),
          user: values.get('PGUSER') ?? '',
          password: values.get('PGPASSWORD') ?? '',
        }
        await timeFirstRow(() => connect({ ...login, ca }), aRow)
      }
      for (const branch of branches) await server.purge(branch)
      await delay(1000)
      return taken
    },
    Math.max(3, Math.floor(bench.options.runs / 4)),
  )
}
