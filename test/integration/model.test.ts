/**
 * Random sequences of calls: server and model agree on each outcome and, after each call, on everything
 * that is there. A failure prints the seed and the shortest way to it; LAKELET_TEST_SEED repeats it.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Reply, TestServer } from '../fixtures/server.ts'
import { ask } from './contract/shapes.ts'
import { anyChoice } from './model/calls.ts'
import { expected, seen } from './model/seen.ts'
import { send } from './model/send.ts'
import { type Call, type Outcome, step, type World } from './model/world.ts'

const seed = Number(process.env.LAKELET_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** How long calls are begun; more to look for trouble. */
const seconds = Number(process.env.LAKELET_TEST_SECONDS ?? 45)

let server: TestServer
let owner: string

beforeAll(async () => {
  server = await TestServer.start()
  const production = 'projects/store/branches/production'
  owner = (await ask(server).read(`${production}/roles`)).roles[0].role_id
})
afterAll(async () => {
  await server?.dispose()
})

test(
  'contract 1 and 3: random calls leave what the rules say',
  async () => {
    const end = Date.now() + seconds * 1000
    const calls = { accepted: 0, refused: 0 }
    let run = 0
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(anyChoice, { minLength: 40, maxLength: 60 }),
          async (sequence) => {
            if (Date.now() > end) return
            run += 1
            const begun = [{ project: 'p', do: 'create-project' }] as const
            for await (const outcome of goThrough(`m${run}`, [begun, ...sequence])) {
              calls[outcome === 'ok' ? 'accepted' : 'refused'] += 1
              if (Date.now() > end) return
            }
          },
        ),
        // A sequence takes seconds, so the first that fails is printed whole.
        { seed, numRuns: 1000, endOnFailure: true },
      )
    } finally {
      console.info(`seed ${seed}: ${calls.accepted} calls accepted, ${calls.refused} refused`)
    }
    expect(calls.accepted).toBeGreaterThan(0)
  },
  (seconds + 200) * 1000,
)

/** Projects of one sequence have a prefix, since a deleted one holds its id. */
async function* goThrough(
  prefix: string,
  choices: readonly (readonly Call[])[],
): AsyncGenerator<Outcome> {
  let world: World = {}
  try {
    for (const [index, choice] of choices.entries()) {
      const call = choice.find((one) => step(world, one)[1] === 'ok') ?? choice[0]
      if (call === undefined) continue
      const [after, outcome] = step(world, call)
      const told = `seed ${seed}, call ${index}: ${JSON.stringify(call)}`
      const { status, body } = await send(server, prefix, call)
      expect(status === 200 ? 'ok' : body.error_code, `${told}: ${JSON.stringify(body)}`).toBe(
        outcome,
      )
      if (status === 200) await server.follow(body.name)
      world = after
      expect(await seen(server, prefix, owner), told).toEqual(expected(world, prefix))
      yield outcome
    }
  } finally {
    await clear(prefix)
  }
}

async function clear(prefix: string): Promise<void> {
  const { read, patch } = ask(server)
  const { projects } = await read('projects?show_deleted=true')
  for (const { name, delete_time } of projects as readonly Reply['body'][]) {
    if (!name.startsWith(`projects/${prefix}-`)) continue
    if (delete_time === undefined) {
      for (const branch of (await read(`${name}/branches`)).branches) {
        if (!branch.status.is_protected) continue
        await patch(`${branch.name}?update_mask=spec.is_protected`, {
          spec: { is_protected: false },
        })
      }
    }
    await server.write('DELETE', `${name}?purge=true`)
  }
}
