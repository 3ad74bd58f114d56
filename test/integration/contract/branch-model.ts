/**
 * What the branches of one project are after any sequence of calls, as a small pure model: the rules
 * of contract 3 without a server. `step` answers with the refusal that a call must meet, if any.
 */

export interface ModelBranch {
  readonly uid: number
  readonly id: string
  readonly sourceUid: number | undefined
  readonly sourceId: string | undefined
  readonly isProtected: boolean
  readonly expires: boolean
}

export interface Model {
  readonly live: readonly ModelBranch[]
  /** In the order of their deletion. */
  readonly deleted: readonly ModelBranch[]
  readonly nextUid: number
}

export type Call =
  | {
      readonly do: 'create'
      readonly id: string
      readonly source: string | undefined
      readonly end: 'ttl' | 'never' | 'unsaid'
      readonly isProtected: boolean
    }
  | {
      readonly do: 'update'
      readonly id: string
      readonly end: 'ttl' | 'never' | 'unsaid'
      readonly isProtected: boolean | undefined
    }
  | { readonly do: 'delete'; readonly id: string; readonly purge: boolean }
  | { readonly do: 'undelete'; readonly id: string }

export type Outcome =
  | 'ok'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'BAD_REQUEST'
  | 'INVALID_PARAMETER_VALUE'
  | 'INVALID_STATE'

export const root = 'production'

export const fresh: Model = {
  live: [
    {
      uid: 0,
      id: root,
      sourceUid: undefined,
      sourceId: undefined,
      isProtected: false,
      expires: false,
    },
  ],
  deleted: [],
  nextUid: 1,
}

export function step(model: Model, call: Call): readonly [Model, Outcome] {
  const refuse = (outcome: Outcome) => [model, outcome] as const
  const live = model.live.find(({ id }) => id === call.id)
  const restorable = model.deleted.findLast(({ id }) => id === call.id)
  const isOtherProtected = model.live.some((b) => b.isProtected && b.uid !== live?.uid)

  switch (call.do) {
    case 'create': {
      if (live !== undefined) return refuse('ALREADY_EXISTS')
      if (call.end === 'unsaid') return refuse('INVALID_PARAMETER_VALUE')
      const expires = call.end === 'ttl'
      if (call.isProtected && (expires || isOtherProtected)) return refuse('BAD_REQUEST')
      const source = model.live.find(({ id }) => id === (call.source ?? root))
      if (source === undefined) return refuse('NOT_FOUND')
      const made: ModelBranch = {
        uid: model.nextUid,
        id: call.id,
        sourceUid: source.uid,
        sourceId: source.id,
        isProtected: call.isProtected,
        expires,
      }
      return [{ ...model, live: [...model.live, made], nextUid: model.nextUid + 1 }, 'ok']
    }
    case 'update': {
      if (live === undefined) return refuse('NOT_FOUND')
      const isProtected = call.isProtected ?? live.isProtected
      const expires = call.end === 'unsaid' ? live.expires : call.end === 'ttl'
      if (call.end === 'ttl' && (isProtected || live.id === root)) return refuse('BAD_REQUEST')
      if (isProtected && !live.isProtected && (expires || isOtherProtected)) {
        return refuse('BAD_REQUEST')
      }
      const changed = { ...live, isProtected, expires }
      return [{ ...model, live: model.live.map((b) => (b === live ? changed : b)) }, 'ok']
    }
    case 'delete': {
      if (live === undefined) {
        if (!call.purge || restorable === undefined) return refuse('NOT_FOUND')
        return [{ ...model, deleted: model.deleted.filter((b) => b !== restorable) }, 'ok']
      }
      const hasChildren = model.live.some(({ sourceUid }) => sourceUid === live.uid)
      if (live.isProtected || live.id === root || hasChildren) return refuse('BAD_REQUEST')
      return [
        {
          ...model,
          live: model.live.filter((b) => b !== live),
          deleted: call.purge ? model.deleted : [...model.deleted, live],
        },
        'ok',
      ]
    }
    case 'undelete': {
      if (restorable === undefined)
        return refuse(live === undefined ? 'NOT_FOUND' : 'INVALID_STATE')
      if (live !== undefined) return refuse('ALREADY_EXISTS')
      return [
        {
          ...model,
          live: [...model.live, { ...restorable, expires: false }],
          deleted: model.deleted.filter((b) => b !== restorable),
        },
        'ok',
      ]
    }
  }
}
