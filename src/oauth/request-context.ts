/** What is known of a request before the provider sees it; the provider hands no such thing through. */
import { AsyncLocalStorage } from 'node:async_hooks'

export interface RequestContext {
  /** Scheme and authority by which the client reached us. */
  readonly base: string
  /** Of the client. */
  readonly address: string
  readonly requestId: string
  /** Code that a link to the device page carried, to be confirmed by a person. */
  readonly userCode: string | undefined
  /** Client that a token exchange named without proving to be it. */
  readonly namedClient: string | undefined
}

const requests = new AsyncLocalStorage<RequestContext>()

export const within = <T>(context: RequestContext, work: () => T): T => requests.run(context, work)

export function requestContext(): RequestContext {
  const context = requests.getStore()
  if (context === undefined) throw new Error('there is no request')
  return context
}

/** `undefined`: outside of any request. */
export const currentBase = (): string | undefined => requests.getStore()?.base
