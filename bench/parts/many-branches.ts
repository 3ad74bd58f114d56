/** A thousand branches of one source on one pool: made one after the other, weighed, and purged at once. */
import { basename, dirname, join } from 'node:path'
import pg from 'pg'
import type { Bench, Part } from '../bench.ts'
import { run } from '../commands.ts'
import { bringTo, freshId } from '../create-timing.ts'
import { bytesBesides } from '../exclusive-bytes.ts'
import type { LakeletServer } from '../lakelet-server.ts'
import { median, total } from '../statistics.ts'
import { readable, readableBytes, timingColumns, timingRow, verdict } from '../tables.ts'

const project = 'projects/store'
const purgedAtOnce = 16
/** To ask for the extents of one takes a second where so many share them. */
const weighed = 40
const asked = { growth: 1.5, purgeSeconds: 60, apart: 0.25 }

export const manyBranches: Part = {
  name: 'many-branches',
  title: 'Many branches of one source',
  async run(bench) {
    const { server, sources } = await bench.main()
    const source = await sources.ofSize(bench.options.source)
    await bringTo({ server, sources }, source, 'suspended')
    const usedBefore = await usedBytes(server)
    const count = bench.options.many
    bench.say(`making ${count} branches`)
    const { names, times } = await makeOneByOne(bench, server, source.name, count)

    const grown = (await usedBytes(server)) - usedBefore
    bench.say('weighing some of them')
    const sample = names.filter((_, at) => at % Math.ceil(names.length / weighed) === 0)
    const exclusive: number[] = []
    for (const name of sample) exclusive.push(await weigh(server, name, source.name))
    const sum = (total(exclusive) / sample.length) * names.length

    bench.say('purging them')
    const began = performance.now()
    await purgeAll(server, names)
    const purgeSeconds = (performance.now() - began) / 1000

    const few = Math.min(10, count)
    const first = times.slice(0, few)
    const last = times.slice(-Math.min(100, Math.max(few, Math.floor(count / 10))))
    const growth = median(last) / median(first)
    const share = sum / grown
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow(`The first ${first.length} creates: POST → done`, first),
            timingRow(`The last ${last.length} of ${count}`, last),
            [
              '**last ÷ first**',
              String(count),
              `× ${readable(growth)}`,
              '–',
              `p50 ≤ × ${asked.growth}`,
              verdict(growth <= asked.growth),
            ],
          ],
        },
        {
          columns: ['all of them', 'seen', 'asked', ''],
          rows: [
            [
              `**Purge of ${count}, ${purgedAtOnce} at once**`,
              `${readable(purgeSeconds)} s`,
              `≤ ${asked.purgeSeconds} s`,
              verdict(purgeSeconds <= asked.purgeSeconds),
            ],
            ['Sum of exclusive bytes', readableBytes(sum), '', ''],
            ['Growth of what btrfs says is used', readableBytes(grown), '', ''],
            [
              '**Sum ÷ growth**',
              readable(share),
              `1 ± ${asked.apart}`,
              verdict(Math.abs(share - 1) <= asked.apart),
            ],
          ],
        },
      ],
      explain: [
        `Branches of ${readableBytes(source.bytes)}, suspended, one after the other; each is suspended again before the next, outside of what is timed. The clock of a create starts when the request is sent and stops when its operation is done.`,
        `Exclusive bytes of a branch: what its data and the bases of its history hold that its source and the bases of that one do not, by the extents of their files (\`filefrag\`), of ${sample.length} branches, times ${readable(names.length / sample.length)}; the growth is that of “Used” for data in \`btrfs filesystem usage\`, before the first and after the last. WAL lies outside of the pool and is in neither.`,
      ],
    }
  },
}

async function makeOneByOne(bench: Bench, server: LakeletServer, source: string, count: number) {
  const names: string[] = []
  const times: number[] = []
  while (names.length < count) {
    bench.stopWhenOver()
    const began = performance.now()
    const { name } = await server.createBranch(project, freshId(), source)
    times.push(performance.now() - began)
    names.push(name)
    await server.suspend(name)
    if (names.length % 100 === 0) bench.say(`${names.length} branches`)
  }
  return { names, times }
}

async function weigh(server: LakeletServer, branch: string, source: string): Promise<number> {
  return bytesBesides(await volumesOf(server, branch), await volumesOf(server, source))
}

/** Of a branch and its bases. */
async function volumesOf(server: LakeletServer, branch: string): Promise<readonly string[]> {
  const { data } = await server.volume(branch)
  const catalog = new pg.Client({
    host: join(server.stateDir, 'run/catalog'),
    user: 'cloud_admin',
    database: 'lakelet',
  })
  await catalog.connect()
  const { rows } = await catalog.query('select uid from bases where branch_uid = $1', [
    basename(dirname(data)),
  ])
  await catalog.end()
  const project = join(data, '../..')
  return [data, ...rows.map(({ uid }) => join(project, uid, 'volume'))]
}

async function purgeAll(server: LakeletServer, names: readonly string[]): Promise<void> {
  const left = [...names]
  const lane = async () => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) await server.purge(name)
  }
  await Promise.all(Array.from({ length: purgedAtOnce }, lane))
}

/** Bytes of data that the pool holds, shared ones once. */
async function usedBytes(server: LakeletServer): Promise<number> {
  const pool = join(server.stateDir, 'pool')
  await run('sync', ['-f', pool])
  const output = await run('btrfs', ['filesystem', 'usage', '--raw', pool])
  const used = /^Data,[^\n]*Used:(\d+)/m.exec(output)?.[1]
  if (used === undefined) throw new Error(`not an answer of btrfs filesystem usage: ${output}`)
  return Number(used)
}
