/** A thousand branches whose worktrees are gone: collected by the server's sweep, and some of them by `lakelet gc`. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, Part } from '../bench.ts'
import { run } from '../commands.ts'
import { freshId } from '../create-timing.ts'
import { type Body, type LakeletServer, program } from '../lakelet-server.ts'
import { readable, verdict } from '../tables.ts'

const project = 'projects/store'
const grace = 1000
const asked = { sweepSeconds: 30 }

export const leftOvers: Part = {
  name: 'left-overs',
  title: 'Branches whose worktrees are gone',
  async run(bench) {
    const { server } = await bench.open('btrfs', join(bench.home, 'left-overs'), {
      LAKELET_COLLECT_GRACE: `${grace}ms`,
    })
    const repository = join(bench.home, 'repository')
    const git = (...args: string[]) => run('git', ['-C', repository, ...args])
    mkdirSync(repository)
    await git('init', '--quiet', '--initial-branch=main')
    writeFileSync(join(repository, '.gitignore'), '.env\n')
    await git('add', '.')
    const author = ['-c', 'user.name=B', '-c', 'user.email=b@example.com']
    await git(...author, 'commit', '--quiet', '--message=first')
    const env = { LAKELET_STATE_DIR: server.stateDir, HOME: bench.home }
    const lakelet = (...args: string[]) =>
      run(process.execPath, [program, ...args], { cwd: repository, env })
    await lakelet('dev')
    const [own] = (await server.postgres('GET', `${project}/bindings`)).bindings

    const swept = bench.options.many
    const byHand = Math.max(1, Math.round(swept / 10))
    bench.say(`making ${swept + byHand} branches and their worktrees`)
    const first = await makeAll(bench, server, { repository, own, count: byHand, git })
    await removeAll(repository, git)
    const beganGc = performance.now()
    await lakelet('gc', '--grace', '0')
    const gcSeconds = (performance.now() - beganGc) / 1000
    await expectGone(server, first)

    const names = await makeAll(bench, server, { repository, own, count: swept, git })
    await server.stop()
    await removeAll(repository, git)
    bench.say('sweeping')
    await server.start()
    const began = performance.now()
    while ((await server.postgres('GET', `${project}/bindings?page_size=2`)).bindings.length > 1) {
      bench.stopWhenOver()
      await delay(100)
    }
    const sweepSeconds = (performance.now() - began - grace) / 1000
    await expectGone(server, names)
    const main = await server.postgres('GET', own.branch)
    if (main.status.current_state !== 'READY') throw new Error('a branch of a worktree is gone')
    return {
      tables: [
        {
          columns: ['', 'branches', 'seen', 'asked', ''],
          rows: [
            [
              "**The server's sweep**",
              String(swept),
              `${readable(sweepSeconds)} s`,
              swept >= 1000 ? `≤ ${asked.sweepSeconds} s` : '',
              swept >= 1000 ? verdict(sweepSeconds <= asked.sweepSeconds) : '',
            ],
            ['`lakelet gc`', String(byHand), `${readable(gcSeconds)} s`, '', ''],
          ],
        },
      ],
      explain: [
        `Each branch is bound to a worktree of one repository; all of these are removed while the server is down. The clock of the sweep starts when the server has started, which looks at once, and stops when no branch is bound to anything that is gone and all are deleted; the grace of ${grace} ms is taken off. The branches sleep. Their bytes go when their time to be undeleted is over, which is in no number here. \`lakelet gc\` is timed from its start to its end.`,
      ],
    }
  },
}

interface Making {
  readonly repository: string
  /** Binding of the main worktree: where it differs, those of the others are told. */
  readonly own: Body
  readonly count: number
  readonly git: (...args: string[]) => Promise<string>
}

async function makeAll(
  bench: Bench,
  server: LakeletServer,
  { repository, own, count, git }: Making,
): Promise<readonly string[]> {
  const { uid: _, branch: __, create_time: ___, update_time: ____, ...like } = own
  const names: string[] = []
  while (names.length < count) {
    bench.stopWhenOver()
    const id = freshId()
    const root = join(repository, '../worktrees', id)
    await git('worktree', 'add', '--quiet', '--detach', '--no-checkout', root)
    const { name } = await server.createBranch(project, id)
    await server.suspend(name)
    await server.postgres('POST', `${name}/bindings`, {
      ...like,
      root,
      git_dir: join(repository, '.git/worktrees', id),
      is_own: true,
    })
    names.push(name)
    if (names.length % 100 === 0) bench.say(`${names.length} branches`)
  }
  return names
}

async function removeAll(repository: string, git: Making['git']): Promise<void> {
  rmSync(join(repository, '../worktrees'), { recursive: true, force: true })
  await git('worktree', 'prune', '--expire=now')
}

async function expectGone(server: LakeletServer, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const seen = await server.postgres('GET', name).catch(() => undefined)
    if (seen !== undefined) throw new Error(`${name} is there, and its worktree is gone`)
  }
}
