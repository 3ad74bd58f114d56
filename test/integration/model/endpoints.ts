/** Endpoints in the model: contract 1.10. */
import { type Branch, defaultEndpoint, type Endpoint, type Outcome, without } from './world.ts'

export interface EndpointSpec {
  readonly size: readonly [min: number, max: number] | undefined
  readonly suspend: string | 'never' | undefined
  readonly isDisabled: boolean | undefined
}

export type EndpointCall = { readonly branch: string; readonly endpoint: string } & (
  | {
      readonly do: 'create-endpoint'
      readonly isReader: boolean
      readonly spec: EndpointSpec
      readonly replace: boolean
    }
  | { readonly do: 'update-endpoint'; readonly spec: EndpointSpec }
  | { readonly do: 'delete-endpoint' }
)

export function endpointStep(branch: Branch, call: EndpointCall): readonly [Branch, Outcome] {
  const refuse = (outcome: Outcome) => [branch, outcome] as const
  const existing = branch.endpoints[call.endpoint]
  const put = (endpoint: Endpoint) =>
    [{ ...branch, endpoints: { ...branch.endpoints, [call.endpoint]: endpoint } }, 'ok'] as const

  switch (call.do) {
    case 'create-endpoint':
      if (existing !== undefined) {
        if (!call.replace) return refuse('ALREADY_EXISTS')
        return existing.isReader === call.isReader
          ? put(changed(existing, call.spec))
          : refuse('INVALID_PARAMETER_VALUE')
      }
      if (!call.isReader) return refuse('ALREADY_EXISTS')
      return put(changed({ ...defaultEndpoint, isReader: true }, call.spec))
    case 'update-endpoint':
      return existing === undefined ? refuse('NOT_FOUND') : put(changed(existing, call.spec))
    case 'delete-endpoint':
      if (existing === undefined) return refuse('NOT_FOUND')
      if (!existing.isReader) return refuse('BAD_REQUEST')
      return [{ ...branch, endpoints: without(branch.endpoints, call.endpoint) }, 'ok']
  }
}

const changed = (endpoint: Endpoint, { size, suspend, isDisabled }: EndpointSpec): Endpoint => ({
  ...endpoint,
  minCu: size?.[0] ?? endpoint.minCu,
  maxCu: size?.[1] ?? endpoint.maxCu,
  suspendAfter:
    suspend === undefined ? endpoint.suspendAfter : suspend === 'never' ? undefined : suspend,
  isDisabled: isDisabled ?? endpoint.isDisabled,
})
