/** Refusals of upgrades to another Postgres major; part of the one registry in `faults.ts`. */
import type { ReasonSpec } from './fault-codes.ts'

export const upgradeReasons = {
  UPGRADE_NOT_NEWER: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "The branch '{branch}' runs Postgres {major}; an upgrade goes to a later major, not to {to}.",
    next: 'Send a later pg_version. There is no way back to an earlier major but a dump.',
  },
  UPGRADE_TOOL_MISSING: {
    code: 'INVALID_STATE',
    say: 'An upgrade of a branch of Postgres {major} needs {tool} of Postgres {major} or later, which is not there.',
    next: 'Install it, such as the package postgresql-client-{major}, or name an installation that has it with --postgres-dir. It was looked for in: {places}.',
  },
  UPGRADE_EXTENSIONS_MISSING: {
    code: 'INVALID_STATE',
    say: "Postgres {to} here lacks extensions that the database '{database}' uses: {extensions}.",
    next: 'Drop them on a branch of it first, or bring a Postgres {to} that has them with --postgres-dir.',
  },
  UPGRADE_FAILED: {
    code: 'INVALID_STATE',
    say: "The database '{database}' cannot be copied to Postgres {to}: {problem}",
    next: 'Change what stands against it on a branch of the branch, and upgrade that one. Nothing was changed.',
  },
  UPGRADE_REFUSED: {
    code: 'INVALID_STATE',
    say: 'pg_upgrade to Postgres {to} refuses: {problem}',
    next: 'Change what stands against it on a branch of the branch, and upgrade that one. Nothing was changed.',
  },
} as const satisfies Record<string, ReasonSpec>
