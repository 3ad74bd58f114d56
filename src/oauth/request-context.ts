/** What is known of a request before the provider sees it; the provider hands no such thing through. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { SignInOrigin } from '../actions/sign-in.ts'

export interface RequestContext extends SignInOrigin {
  /** Scheme and authority by which the client reached us. */
  readonly base: string
  /** Code that a link to the device page carried, to be confirmed by a person. */
  readonly userCode: string | undefined
  /** Client that a token exchange named without proving to be it. */
  readonly namedClient: string | undefined
  /** Found out on the way: the client secret that the request proved. */
  readonly proof: { secretId: string | undefined }
}

const requests = new AsyncLocalStorage<RequestContext>()

export const within = <T>(context: RequestContext, work: () => T): T => requests.run(context, work)

export function requestContext(): RequestContext {
  const context = requests.getStore()
  if (context === undefined) throw new Error('there is no request')
  return context
}

/** For the audit log. */
export function requestOrigin(): SignInOrigin {
  const { remoteAddress, userAgent, requestId } = requestContext()
  return { remoteAddress, userAgent, requestId }
}

/** `undefined`: outside of any request. */
export const currentBase = (): string | undefined => requests.getStore()?.base
