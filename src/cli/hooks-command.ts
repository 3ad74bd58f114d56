/** `lakelet hooks`: a checkout gives the worktree its database by itself. A convenience: nothing depends on it. */
import { existsSync, realpathSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import {
  findHook,
  type HookPlace,
  installHook,
  isInstalled,
  uninstallHook,
} from '../worktree/git-hooks.ts'
import { findWorktree } from '../worktree/git-worktree.ts'
import type { FillCommand } from './command-context.ts'

export const fillHooks: FillCommand = (group, context) => {
  const verb = (
    name: string,
    describe: string,
    work: (place: HookPlace, shown: string) => Promise<string>,
  ) =>
    group
      .command(name)
      .description(describe)
      .action(async () => {
        const { io } = context
        const { root } = await findWorktree(io.cwd)
        const place = await findHook({ root })
        io.stdout.write(`${await work(place, relative(io.cwd, place.path))}\n`)
      })
  verb(
    'install',
    'Run lakelet dev in the background after each checkout and git worktree add.',
    async (place, shown) => {
      const isChanged = await installHook(place, program())
      const said = isChanged ? `Our lines are in ${shown}.` : `Our lines were in ${shown} already.`
      return place.manager === 'lefthook' ? `${said}\n${lefthook}` : said
    },
  )
  verb('uninstall', 'Take the lines out again.', async (place, shown) =>
    (await uninstallHook(place)) ? `Our lines are gone from ${shown}.` : 'There were none.',
  )
  verb('status', 'Whether they are there.', async (place, shown) =>
    (await isInstalled(place)) ? `Installed in ${shown}.` : 'Not installed.',
  )
}

const lefthook = `Lefthook writes this file anew at its next "lefthook install". To keep it, say so in lefthook.yml:
  post-checkout:
    commands:
      lakelet:
        run: '[ {3} = 1 ] && (lakelet dev --no-migrate </dev/null >/dev/null 2>&1 &) || true'`

/** For a shell that has no lakelet on its PATH: the one that is running, in a clone by its launcher. */
function program(): string {
  const entry = realpathSync(process.argv[1] ?? '') // npm's bin is a link
  const launcher = join(dirname(entry), '../../lakelet')
  return existsSync(launcher) ? launcher : entry
}
