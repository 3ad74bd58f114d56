/** Refusals about backups and where they are kept; part of the one registry in `faults.ts`. */
import type { ReasonSpec } from './fault-codes.ts'

export const backupReasons = {
  BACKUP_PLACE_INVALID: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "'{place}' cannot be where backups are kept: {problem}.",
    next: 'Give the absolute path of a directory on the machine of the server, or s3://BUCKET/PREFIX.',
  },
  BACKUP_PLACE_ABSENT: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "'{place}' is not there: {problem}.",
    next: 'Make it first, or mount it; of a new directory the parent must be there.',
  },
  BACKUP_PLACE_REFUSED: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "The server may not use '{place}': {problem}.",
    next: "Give the server's user the right to read and write there; for S3, give credentials in the environment of the server (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION).",
  },
  BACKUP_PLACE_FULL: {
    code: 'QUOTA_EXCEEDED',
    say: "There is no room left at '{place}'.",
    next: 'Make room there and back up again: what was copied is used by the next backup.',
  },
  BACKUP_PLACE_UNREACHABLE: {
    code: 'TEMPORARILY_UNAVAILABLE',
    say: "'{place}' cannot be reached: {problem}.",
    next: 'Check the endpoint URL and the network, then try again.',
  },
  BACKUP_PLACE_OCCUPIED: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "'{place}' holds something that is no backup of Lakelet ({found}).",
    next: 'Give a directory or prefix of its own, which may be empty or not there yet.',
  },
  BACKUP_OTHER_BRANCH: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "'{place}' holds the backups of another branch: {branch}.",
    next: 'One place holds the backups of one branch: give another one.',
  },
  BACKUP_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: "There is no complete backup at '{place}'.",
    next: 'Make one: lakelet backup BRANCH --to PLACE.',
  },
  BACKUP_DAMAGED: {
    code: 'INVALID_STATE',
    say: 'The backup is damaged: {object} {problem}.',
    next: 'See all that is wrong with lakelet backup verify. Restore an earlier point or another copy of the backup; begin a new one at another place.',
  },
  BACKUP_TOO_NEW: {
    code: 'INVALID_STATE',
    say: 'The backup has format {format}, and this server knows formats up to {known}.',
    next: 'Restore it with the version of Lakelet that made it, or a later one.',
  },
  BACKUP_POINT_OUTSIDE: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'The backup does not reach {point}.',
    next: 'It reaches {windows}. Leave the point out for the last backup.',
  },
  BACKUP_MAJOR_DIFFERS: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "The backup is of Postgres {major}, and the project '{project}' has Postgres {other}.",
    next: 'Restore into another project; one that is not there is made.',
  },
} as const satisfies Record<string, ReasonSpec>
