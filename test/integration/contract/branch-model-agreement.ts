/** Random sequences of calls on the branches of a project: server and model agree after each. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Reply } from '../../fixtures/server.ts'
import { type Call, fresh, type Model, type ModelBranch, root, step } from './branch-model.ts'
import { ask, type ServerOf } from './shapes.ts'

const id = fc.constantFrom('a', 'b', 'c')
const anyId = fc.oneof({ arbitrary: id, weight: 6 }, { arbitrary: fc.constant(root), weight: 1 })
const end = fc.constantFrom('ttl', 'never', 'unsaid')

const call: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('create'),
      id,
      source: fc.option(anyId, { nil: undefined }),
      end: fc.constantFrom('ttl', 'never', 'never', 'ttl', 'unsaid'),
      isProtected: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('update'),
      id: anyId,
      end,
      isProtected: fc.constantFrom(undefined, false, true),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('delete'), id: anyId, purge: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('undelete'), id }) },
)

interface Seen {
  readonly id: string
  readonly state: string
  readonly source: string | undefined
  readonly isProtected: boolean
  readonly expires: boolean
}

const expected = (model: Model, state: 'READY' | 'DELETED'): readonly Seen[] =>
  (state === 'READY' ? model.live : model.deleted).map((branch: ModelBranch) => ({
    id: branch.id,
    state,
    source: branch.sourceId,
    isProtected: branch.isProtected,
    expires: branch.expires,
  }))

const sorted = (all: readonly Seen[]): readonly string[] =>
  all.map((seen) => JSON.stringify(seen)).sort()

const seenOf = ({ branch_id, status }: Reply['body']): Seen => ({
  id: branch_id,
  state: status.current_state,
  source: status.source_branch?.split('/').at(-1),
  isProtected: status.is_protected,
  expires: status.expire_time !== undefined,
})

export const branchModelAgreement = (server: ServerOf) => {
  let run = 0

  test('contract 3: random calls leave the branches that the rules say', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 15, maxLength: 22 }), async (calls) => {
        run += 1
        const project = `projects/model-${run}`
        await server().write('POST', `projects?project_id=model-${run}`)
        try {
          let model = fresh
          for (const [index, next] of calls.entries()) {
            const [after, outcome] = step(model, next)
            const told = `call ${index}: ${JSON.stringify(next)}`
            expect(await perform(project, next), told).toBe(outcome)
            model = after
            await agree(project, model, told)
          }
        } finally {
          await clear(project)
        }
      }),
      { numRuns: 3, endOnFailure: true },
    )
  })

  const perform = async (project: string, next: Call): Promise<string> => {
    const { post, patch, remove } = ask(server())
    const branches = `${project}/branches`
    const spec = (it: { end: 'ttl' | 'never' | 'unsaid' }) =>
      it.end === 'ttl' ? { ttl: '3600s' } : it.end === 'never' ? { no_expiry: true } : {}
    const send = (): Promise<Reply> => {
      switch (next.do) {
        case 'create': {
          const source =
            next.source === undefined ? {} : { source_branch: `${branches}/${next.source}` }
          return post(`${branches}?branch_id=${next.id}`, {
            spec: { ...spec(next), ...source, is_protected: next.isProtected },
          })
        }
        case 'update': {
          const isProtected =
            next.isProtected === undefined ? {} : { is_protected: next.isProtected }
          return patch(`${branches}/${next.id}?update_mask=spec`, {
            spec: { ...spec(next), ...isProtected },
          })
        }
        case 'delete':
          return remove(`${branches}/${next.id}${next.purge ? '?purge=true' : ''}`)
        case 'undelete':
          return post(`${branches}/${next.id}/undelete`)
      }
    }
    const { status, body } = await send()
    if (status !== 200) return body.error_code
    await server().follow(body.name)
    return 'ok'
  }

  /** Lists, with and without the deleted; and GET says what the list says. */
  const agree = async (project: string, model: Model, told: string): Promise<void> => {
    const { read, get } = ask(server())
    const visible = (await read(`${project}/branches`)).branches
    expect(sorted(visible.map(seenOf)), told).toEqual(sorted(expected(model, 'READY')))
    const all = (await read(`${project}/branches?show_deleted=true`)).branches
    expect(sorted(all.map(seenOf)), told).toEqual(
      sorted([...expected(model, 'READY'), ...expected(model, 'DELETED')]),
    )
    for (const branch of ['a', 'b', 'c']) {
      const listed = visible.find((one: Reply['body']) => one.branch_id === branch)
      const { status, body } = await get(`${project}/branches/${branch}`)
      if (listed === undefined) expect(status, told).toBe(404)
      // Its size may be read anew at any moment.
      else expect({ ...body, status: undefined }, told).toEqual({ ...listed, status: undefined })
    }
  }

  const clear = async (project: string): Promise<void> => {
    const { read, patch } = ask(server())
    for (const { name, status } of (await read(`${project}/branches`)).branches) {
      if (!status.is_protected) continue
      await patch(`${name}?update_mask=spec.is_protected`, { spec: { is_protected: false } })
    }
    await server().write('DELETE', `${project}?purge=true`)
  }
}
