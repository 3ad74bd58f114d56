/** The last long soak, kept beside what was measured: how long, what happened, with seed and machine. */
import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { placePart } from '../../bench/results-file.ts'
import type { SoakResult } from './soak.ts'

export function writeResult(file: string, seed: number, seconds: number, result: SoakResult): void {
  const { tally, problems } = result
  const hash = execFileSync('git', ['rev-parse', '--short=10', 'HEAD'], { encoding: 'utf8' }).trim()
  const of = (what: string) => tally.get(what) ?? 0
  const sum = (prefix: string) =>
    [...tally].reduce((all, [what, times]) => (what.startsWith(prefix) ? all + times : all), 0)
  const actions = [...tally]
    .filter(([what]) => what.includes(': ') && !what.startsWith('fault: '))
    .map(([what, times]) => `${what} ${times}`)
  const faults = [...tally]
    .filter(([what]) => what.startsWith('fault: '))
    .map(([what, times]) => `${what.slice('fault: '.length)} ${times}`)
  const machine = `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`
  placePart(file, {
    name: 'soak',
    title: 'Soak: random actions and faults under writers with invariants',
    findings: {
      tables: [
        {
          columns: ['soak', 'seen', 'asked', ''],
          rows: [
            ['minutes', String(seconds / 60), '≥ 30', seconds >= 1800 ? 'met' : '**not met**'],
            ['transactions acknowledged', String(of('transactions ok')), '', ''],
            ['– failed', String(of('transactions fail')), '', ''],
            ['– outcome unknown', String(of('transactions unknown')), '', ''],
            [
              'branches compared with their source’s moment',
              String(of('branch points compared')),
              '',
              '',
            ],
            ['histories checked', String(of('lines checked')), '', ''],
            ['faults', String(sum('fault: ')), '', ''],
            [
              '**lost, duplicated, reordered, torn, orphaned or unsound**',
              String(problems.length),
              '0',
              problems.length === 0 ? 'met' : '**not met**',
            ],
          ],
        },
      ],
      explain: [
        `Actions: ${actions.sort().join(', ')}.`,
        `Faults: ${faults.sort().join(', ')}.`,
        ...problems.slice(0, 3).map((what) => `Found: ${what.slice(0, 300)}`),
      ],
    },
    circumstances: `Seed ${seed}, commit ${hash}, ${machine}; ended ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC. Again: \`npm run soak -- --minutes ${seconds / 60} --seed ${seed} --write\`.`,
  })
}
