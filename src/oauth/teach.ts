/**
 * The provider's refusals in words that say what to do, and the one text that programs match on. The
 * codes of the RFCs stay as they are.
 */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { Fault } from '../domain/faults.ts'
import { grants } from './clients.ts'

interface OAuthError {
  readonly error: string
  error_description?: string
}

/** Rewrites the body of a refused request in place. */
export function teach(ctx: KoaContextWithOIDC, cause: unknown): void {
  const { body } = ctx
  if (!isOAuthError(body)) return
  const fault = faultFor(body, String(ctx.oidc?.params?.grant_type ?? ''), cause)
  if (fault !== undefined) body.error_description = fault.text
}

function faultFor({ error }: OAuthError, grant: string, cause: unknown): Fault | undefined {
  if (error === 'invalid_client') return new Fault('OAUTH_CLIENT_REFUSED')
  if (error !== 'invalid_grant') return undefined
  switch (grant) {
    case grants.refresh:
      return new Fault('OAUTH_REFRESH_DEAD')
    case grants.code:
    case grants.device:
      return new Fault('OAUTH_CODE_DEAD', { problem: detailOf(cause) })
    default:
      return undefined
  }
}

/** Details are of our own requests' making: which check failed, never what was expected. */
function detailOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'it is not valid'
  const detail = 'error_detail' in cause ? cause.error_detail : undefined
  if (typeof detail === 'string' && detail !== '') return detail
  return cause.cause instanceof Error ? cause.cause.message : 'it is not valid'
}

const isOAuthError = (body: unknown): body is OAuthError =>
  typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string'
