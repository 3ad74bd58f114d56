/** Refusals of signing in and of the OAuth issuer; part of the one registry in `faults.ts`. */
import type { ReasonSpec } from './fault-codes.ts'

export const signInReasons = {
  SIGN_IN_FAILED: {
    code: 'UNAUTHENTICATED',
    say: 'The e-mail address or the password is wrong.',
    next: 'Try again. Without a password, ask an administrator for a link: lakelet setup-link.',
  },
  SIGN_IN_LOCKED: {
    code: 'RESOURCE_EXHAUSTED',
    say: 'There were too many attempts.',
    next: 'Try again in {minutes} min.',
  },
  FORM_STALE: {
    code: 'PERMISSION_DENIED',
    say: 'This form did not come from a page of this server, or is too old.',
    next: 'Go back, load the page again and send it once more; cookies must be allowed.',
  },
  PASSWORD_INVALID: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'The password cannot be taken: {problem}.',
    next: 'A few words in a row make a good one.',
  },
  SETUP_LINK_DEAD: {
    code: 'NOT_FOUND',
    say: 'This link was used before, was replaced by a newer one, or has expired.',
    next: 'Make a new one: lakelet setup-link (administrators only).',
  },
  OAUTH_REFRESH_DEAD: {
    code: 'UNAUTHENTICATED',
    say: 'Refresh token is invalid',
    next: 'Sign in again: lakelet auth login.',
    recorded: true,
  },
  OAUTH_CODE_DEAD: {
    code: 'UNAUTHENTICATED',
    say: 'The code cannot be exchanged: {problem}.',
    next: 'Begin to sign in again; a code works once, within a minute, for the client and the verifier that it was made for.',
  },
  OAUTH_CLIENT_REFUSED: {
    code: 'UNAUTHENTICATED',
    say: 'The client is unknown, or its secret is wrong, expired or deleted.',
    next: 'Use the application id of a service principal as the client id, and one of its secrets.',
  },
  OAUTH_POLLED_TOO_FAST: {
    code: 'RESOURCE_EXHAUSTED',
    say: 'The device asks too often.',
    next: 'Wait {seconds} s between two questions.',
  },
  OAUTH_EXCHANGE_REFUSED: {
    code: 'UNAUTHENTICATED',
    say: 'The token cannot be exchanged: {problem}.',
    next: 'The setting trusted-issuers says which tokens are: issuer, audience and claims.',
  },
} as const satisfies Record<string, ReasonSpec>
