/**
 * A project as people have it: a repository with `lakelet.toml`, migrations and tests, and the packed `@lakelet/testing` installed
 * beside real test runners.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { run } from '../../src/lib/subprocess.ts'
import { makeRepository, program } from '../fixtures/git-repository.ts'
import type { TestServer } from '../fixtures/server.ts'

const root = resolve(import.meta.dirname, '../..')
const runners = join(root, 'test/runners')

export interface Ended {
  readonly code: number | null
  readonly output: string
}

export interface Running {
  readonly pid: number
  readonly ended: Promise<Ended>
  output(): string
  /** Its standard input ends. */
  end(): void
}

export class Project {
  readonly home: string
  readonly path: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #running = new Set<ChildProcess>()

  static async make(server: TestServer): Promise<Project> {
    const { home, path, environment } = makeRepository(server)
    cpSync(join(runners, 'projects'), path, { recursive: true })
    const modules = join(path, 'node_modules')
    const packed = await run('flock', [
      ...[join(runners, '.lock'), process.execPath, join(runners, 'install.mjs'), home],
    ])
    const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--offline']
    await run('npm', ['install', ...flags, '--legacy-peer-deps', packed.trim()], { cwd: path })
    const installed = [
      ...['vitest', 'pg'].map((name) => join(root, 'node_modules', name)),
      ...['jest', 'jest-environment-node'].map((name) => join(runners, 'node_modules', name)),
    ]
    for (const each of installed) symlinkSync(each, join(modules, each.split('/').at(-1) ?? ''))
    return new Project(home, path, environment)
  }

  private constructor(home: string, path: string, environment: Readonly<Record<string, string>>) {
    this.home = home
    this.path = path
    this.#environment = { ...environment, SEEN: join(home, 'seen') }
  }

  /** Programs of packages by their path, `lakelet` by its name. */
  start(
    directory: string,
    [command = '', ...args]: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Running {
    const child = spawn(command, args, {
      cwd: join(this.path, directory),
      env: { ...this.#environment, CI: 'true', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#running.add(child)
    child.once('exit', () => this.#running.delete(child))
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    const ended = new Promise<Ended>((done, fail) => {
      child.once('error', fail)
      child.once('close', (code) => done({ code, output }))
    })
    return { pid: child.pid ?? 0, ended, output: () => output, end: () => child.stdin.end() }
  }

  run(
    directory: string,
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Ended> {
    return this.start(directory, command, env).ended
  }

  /** Lines that tests and migrations wrote of what they saw, since the last call. */
  seen(): readonly string[] {
    const path = join(this.home, 'seen')
    const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').sort() : []
    rmSync(path, { force: true })
    return lines
  }

  /** Pids of what was started here and still runs, by its home. */
  processes(): readonly number[] {
    const isOurs = (pid: string) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HOME=${this.home}`)
      } catch {
        return false // it has ended
      }
    }
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && isOurs(name))
      .map(Number)
  }

  dispose(): void {
    for (const child of this.#running) child.kill('SIGKILL') // of a test that failed
    rmSync(this.home, { recursive: true, force: true })
  }
}

/** As npm starts them; the programs' own files, so that a signal meets them. */
export const vitest = [process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run']
export const jest = [process.execPath, join(runners, 'node_modules/jest/bin/jest.js')]
export const lakelet = [process.execPath, program]

/** Names of branches that a run made. */
export async function testBranches(server: TestServer): Promise<readonly string[]> {
  const { body } = await server.api('GET', '/api/2.0/postgres/projects/store/branches?page_size=99')
  return (body.branches as { readonly name: string }[])
    .map(({ name }) => name)
    .filter((name) => /-test-[0-9a-f]{6}(-\d+)?$/.test(name))
}
