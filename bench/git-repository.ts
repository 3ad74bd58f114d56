/** A git repository whose worktrees get their databases from the server that is measured, as somebody works in it. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './commands.ts'
import { type LakeletServer, program } from './lakelet-server.ts'

/** As many files as a small project has: a checkout without anything to do would flatter the ratio. */
const files = 200

export class GitRepository {
  readonly path: string
  /** Of the machine nothing but programs; `lakelet` is on the PATH, as after `npm link`. */
  readonly env: Readonly<Record<string, string>>

  static async make(
    server: LakeletServer,
    home: string,
    projectFile: string,
  ): Promise<GitRepository> {
    const bin = join(home, 'bin')
    const repository = new GitRepository(join(home, 'app'), {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: home,
      LAKELET_STATE_DIR: server.stateDir,
    })
    mkdirSync(bin, { recursive: true })
    mkdirSync(join(repository.path, 'files'), { recursive: true })
    const launcher = `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`
    writeFileSync(join(bin, 'lakelet'), launcher, { mode: 0o755 })
    const write = (name: string, text: string) => writeFileSync(join(repository.path, name), text)
    write('.gitignore', '.env\n')
    write('lakelet.toml', projectFile)
    for (let file = 0; file < files; file += 1) write(`files/${file}`, `${file}\n`.repeat(100))
    await repository.git('init', '--quiet', '--initial-branch=main')
    await repository.git('add', '.')
    await repository.git('commit', '--quiet', '--message=first')
    return repository
  }

  private constructor(path: string, env: Readonly<Record<string, string>>) {
    this.path = path
    this.env = env
  }

  git(...args: readonly string[]): Promise<string> {
    const who = ['-c', 'user.name=B', '-c', 'user.email=b@example.com']
    return run('git', [...who, ...args], { cwd: this.path, env: this.env })
  }

  lakelet(...args: readonly string[]): Promise<string> {
    return run(process.execPath, [program, ...args], { cwd: this.path, env: this.env })
  }

  /** Variables that its env file, or that of another worktree, sets. */
  variables(directory = this.path): ReadonlyMap<string, string> {
    const path = join(directory, '.env')
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    return new Map(
      [...text.matchAll(/^([A-Z_]+)='?(.*?)'?$/gm)].map(([, name = '', value = '']) => [
        name,
        value,
      ]),
    )
  }
}
