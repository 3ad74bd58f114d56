/**
 * Cycles among transactions that depend on each other. Whoever read or overwrote another's value came
 * after it; whoever did not see a value came before its writer. Under read committed the first two kinds
 * alone must not go round (Adya's G1c); among serializable transactions none may (G2).
 */
import type { Transaction } from './history.ts'

export interface Dependency {
  readonly from: Transaction
  readonly to: Transaction
  /** Write then write, write then read, read then write. */
  readonly kind: 'ww' | 'wr' | 'rw'
  readonly key: number
}
export type Dependencies = readonly Dependency[]

/** A sentence for each group of transactions that go round. */
export function cyclesOf(dependencies: Dependencies): readonly string[] {
  const isSerializable = ({ isolation }: Transaction) => isolation === 'serializable'
  return [
    ...describe(
      'of writes and reads',
      dependencies.filter(({ kind }) => kind !== 'rw'),
    ),
    ...describe(
      'among serializable transactions',
      dependencies.filter(({ from, to }) => isSerializable(from) && isSerializable(to)),
    ),
  ]
}

function describe(what: string, dependencies: Dependencies): readonly string[] {
  return knots(dependencies).map((knot) => {
    const inside = dependencies.filter(({ from, to }) => knot.has(from.id) && knot.has(to.id))
    const shown = inside.slice(0, 12).map(({ from, to, kind, key }) => {
      return `${from.id} –${kind} ${key}→ ${to.id}`
    })
    return `${what}: ${shown.join(', ')}`
  })
}

/** Strongly connected components of more than one node, by Tarjan, without recursion. */
function knots(dependencies: Dependencies): readonly ReadonlySet<number>[] {
  const next = new Map<number, number[]>()
  for (const { from, to } of dependencies) {
    const targets = next.get(from.id) ?? []
    targets.push(to.id)
    next.set(from.id, targets)
  }
  const found: Set<number>[] = []
  const index = new Map<number, number>()
  const low = new Map<number, number>()
  const open: number[] = []
  const isOpen = new Set<number>()
  const lower = (node: number, value: number) =>
    low.set(node, Math.min(low.get(node) ?? value, value))
  const enter = (node: number) => {
    index.set(node, index.size)
    lower(node, index.size - 1)
    open.push(node)
    isOpen.add(node)
  }
  const close = (node: number) => {
    const knot = new Set<number>()
    for (let one = open.pop(); one !== undefined; one = open.pop()) {
      isOpen.delete(one)
      knot.add(one)
      if (one === node) break
    }
    if (knot.size > 1) found.push(knot)
  }
  for (const root of next.keys()) {
    if (index.has(root)) continue
    const path = [{ node: root, turn: 0 }]
    enter(root)
    for (let here = path.at(-1); here !== undefined; here = path.at(-1)) {
      const target = next.get(here.node)?.[here.turn]
      here.turn += 1
      if (target === undefined) {
        path.pop()
        const above = path.at(-1)
        if (above !== undefined) lower(above.node, low.get(here.node) ?? 0)
        if (low.get(here.node) === index.get(here.node)) close(here.node)
      } else if (!index.has(target)) {
        enter(target)
        path.push({ node: target, turn: 0 })
      } else if (isOpen.has(target)) {
        lower(here.node, index.get(target) ?? 0)
      }
    }
  }
  return found
}
