/** What every part of the benchmark works with: options, a home directory, the server on btrfs. */
import { chmodSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endChildren } from './commands.ts'
import type { Endings } from './endings.ts'
import { type Driver, LakeletServer } from './lakelet-server.ts'
import type { Options } from './options.ts'
import { Sources } from './sources.ts'
import type { Findings } from './tables.ts'

export interface Part {
  readonly name: string
  readonly title: string
  run(bench: Bench): Promise<Findings>
}

/** A server with the branches that are measured against. */
export interface Subject {
  readonly server: LakeletServer
  readonly sources: Sources
}

/** Room for WAL, catalog, programs and what CoW keeps while branches differ. */
const spare = 6 * 1024 ** 3

export class Bench {
  readonly options: Options
  readonly endings: Endings
  readonly home: string
  #main: Promise<Subject> | undefined

  constructor(options: Options, endings: Endings) {
    this.options = options
    this.endings = endings
    this.home = mkdtempSync(join(tmpdir(), 'lakelet-bench-'))
    chmodSync(this.home, 0o755) // the user that runs Postgres must be able to go through
    endings.add(() => rmSync(this.home, { recursive: true, force: true }))
    endings.add(endChildren)
  }

  say(text: string): void {
    process.stdout.write(`# ${text}\n`)
  }

  /** Bytes that the machine has left for sources. */
  get room(): number {
    const { bavail, bsize } = statfsSync(this.home)
    return bavail * bsize - spare
  }

  /** The server of all parts that do not say otherwise: a btrfs image, as a first start makes it. */
  main(): Promise<Subject> {
    this.#main ??= this.open('btrfs', join(this.home, 'state'))
    return this.#main
  }

  async open(
    driver: Driver,
    stateDir: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Subject> {
    this.say(`starting a server on ${driver}`)
    const wanted = this.options.sizes.reduce((sum, size) => sum + size, this.options.source)
    const pool = Math.min(wanted * 1.6 + spare, (this.room + spare) * 0.9)
    const server = await LakeletServer.create(
      stateDir,
      driver,
      driver === 'btrfs' ? pool : undefined,
      env,
    )
    this.endings.add(() => server.dispose())
    await server.start()
    return { server, sources: new Sources(server, (text) => this.say(text)) }
  }

  /** Calls `measure` for the warm-ups, whose answers are dropped, then for the measured runs. */
  async repeat<T>(measure: (run: number) => Promise<T>, runs = this.options.runs): Promise<T[]> {
    const kept: T[] = []
    for (let run = -this.options.warmUps; run < runs; run += 1) {
      this.stopWhenOver()
      const seen = await measure(run)
      if (run >= 0) kept.push(seen)
    }
    return kept
  }

  stopWhenOver(): void {
    if (this.endings.isOver) throw new Error('measuring was cut short')
  }
}
