/** Part 8: reading branches while there are many. */
import type { Part } from '../bench.ts'
import { createRows, timeCreates } from '../create-timing.ts'
import type { LakeletServer } from '../lakelet-server.ts'
import { type LoadResult, runLoad } from '../request-load.ts'
import { type Asked, readable, readableBytes, timingColumns, timingRow } from '../tables.ts'

const inParallel = 8
const project = 'projects/many'

export const api: Part = {
  name: 'api',
  title: 'Read branches',
  async run(bench) {
    const subject = await bench.main()
    const { server } = subject
    const source = await subject.sources.ofSize(bench.options.source)
    const { branches, runs, isQuick } = bench.options
    await server.write('POST', 'projects?project_id=many', {})
    await server.suspend(`${project}/branches/production`)
    bench.say(`making ${branches - 1} branches`)
    const began = performance.now()
    const creates = await makeBranches(server, branches - 1, () => bench.stopWhenOver())
    const seconds = (performance.now() - began) / 1000

    const reads = Math.max(runs * 10, isQuick ? 50 : 200)
    let turn = 0
    const get = await bench.repeat(() => {
      turn += 1
      return timed(() =>
        server.postgres('GET', `${project}/branches/${idOf(turn % (branches - 1))}`),
      )
    }, reads)
    const list = await bench.repeat(
      () =>
        timed(async () => {
          const page = await server.postgres('GET', `${project}/branches?page_size=1000`)
          if (page.branches.length !== branches || page.next_page_token !== undefined) {
            throw new Error(`the list holds ${page.branches.length}, not ${branches}`)
          }
        }),
      reads,
    )
    bench.say('50 requests a second')
    const awake = `${project}/branches/${idOf(0)}`
    await server.postgres('GET', `${awake}/roles`) // wakes it
    const load = await runLoad(server, {
      project,
      awake,
      branches: Array.from({ length: branches - 1 }, (_, number) => idOf(number)),
      perSecond: 50,
      seconds: isQuick ? 5 : 40,
    })
    const amongMany = await timeCreates(bench, subject, source, 'suspended')
    bench.say('purging them')
    const purgeBegan = performance.now()
    await server.write('DELETE', `${project}?purge=true`)
    const purgeSeconds = (performance.now() - purgeBegan) / 1000
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow('**GET of a branch**', get, { p95: 10 }),
            timingRow(`**List of ${branches} branches, one page**`, list, { p95: 50 }),
            timingRow(`Create, ${inParallel} at once: POST → done`, creates),
            ...createRows(
              `Among them, ${readableBytes(source.bytes)}, suspended source`,
              amongMany,
            ).slice(0, 2),
          ],
        },
        {
          columns: timingColumns,
          rows: [
            ...loadRows('**Any read, 50 requests a second**', load.reads, { p95: 10 }),
            ...loadRows('**Accepting any write, 50 requests a second**', load.writes, { p95: 25 }),
          ],
        },
      ],
      explain: [
        `Requests one after the other on a kept connection, with their answers parsed. The project has ${branches} branches, all suspended. They were made ${inParallel} at once from a suspended source, each suspended again when it was done: ${readable(creates.length / seconds)} a second. The last two rows are those of “Create a branch”, measured while all these branches are there. The project with all of them was purged in ${readable(purgeSeconds)} s.`,
        'The second table is 50 requests a second for 40 s, four reads to one write, each kind in its turn, sent when they are due whether or not the last one was answered; a request is timed from when it was due. The writes are timed to their acceptance; what they start (five branches are made and purged every three seconds) goes on meanwhile on the same two cores.',
      ],
    }
  },
}

/** All kinds together, then each by itself: the bound is one for every kind. */
const loadRows = (what: string, samples: LoadResult['reads'], asked: Asked): string[][] => [
  timingRow(what, Object.values(samples).flat(), asked),
  ...Object.entries(samples).map(([kind, of]) => timingRow(`– ${kind}`, of, asked)),
]

const idOf = (number: number): string => `many-${number}`

/** Milliseconds of each create. */
async function makeBranches(
  server: LakeletServer,
  count: number,
  check: () => void,
): Promise<readonly number[]> {
  const times: number[] = []
  let next = 0
  const lane = async () => {
    while (next < count) {
      check()
      const id = idOf(next)
      next += 1
      times.push(await timed(() => server.createBranch(project, id)))
      await server.suspend(`${project}/branches/${id}`)
    }
  }
  await Promise.all(Array.from({ length: inParallel }, lane))
  return times
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}
