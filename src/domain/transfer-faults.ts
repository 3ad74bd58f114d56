/** Refusals of imports and exports; part of the one registry in `faults.ts`. */
import type { ReasonSpec } from './fault-codes.ts'

export const transferReasons = {
  // Import and export
  SOURCE_UNREADABLE: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'The address of the source cannot be used: {problem}.',
    next: 'It looks like postgres://user:password@host:5432/database. Percent-encode what is special in a URL; a directory as host means its Unix socket (postgres://user@%2Fvar%2Frun%2Fpostgresql/database).',
  },
  SOURCE_REFUSED: {
    code: 'BAD_REQUEST',
    say: 'The source cannot be read: {problem}.',
    next: 'Try the same address with psql on the machine of the server: it is the server that connects.',
  },
  SOURCE_LOST: {
    code: 'ABORTED',
    say: 'Reading the source failed: {problem}.',
    next: 'Nothing of the import is left. When the source is there again, import again.',
  },
  SOURCE_FORGOTTEN: {
    code: 'ABORTED',
    say: 'The address of the source cannot be opened any more.',
    next: 'It was sealed with a key of the state directory that is gone. Import again.',
  },
  SOURCE_TOO_NEW: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "The source is Postgres {source}, and the project's branches are Postgres {major}.",
    next: 'A dump of a newer Postgres is not meant for an older one: import into a project of {source} or newer.',
  },
  TOOL_MISSING: {
    code: 'INVALID_PARAMETER_VALUE',
    say: '{tool} of Postgres {version} or newer is not installed where the server runs.',
    next: "Looked for in {places}. Install the client programs of that version (Debian's postgresql-client-{version}) and try again.",
  },
  EXTENSIONS_MISSING: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'The source has extensions that a branch cannot have: {extensions}.',
    next: 'Drop them in the source, or in a copy of it, and import that.',
  },
  LOAD_FAILED: {
    code: 'BAD_REQUEST',
    say: 'The data of the source cannot be loaded: {problem}.',
    next: 'Nothing of the import is left. Change what is named in the source, or in a copy of it, and import that.',
  },
  OPERATION_CANCELLED: {
    code: 'ABORTED',
    say: 'The operation was cancelled.',
    next: 'What it had begun is undone.',
  },
  OPERATION_NOT_CANCELLABLE: {
    code: 'INVALID_STATE',
    say: 'This operation cannot be cancelled.',
    next: 'Imports can. Wait for its end.',
  },
  OPERATION_FINISHED: {
    code: 'INVALID_STATE',
    say: 'The operation has ended.',
    next: 'There is nothing to cancel; delete what it made if it is not wanted.',
  },
} as const satisfies Record<string, ReasonSpec>
