/** `backup_label`, which Postgres writes at the end of a backup and reads before recovery of its copy. */
import { type Lsn, parseLsn } from './lsn.ts'

/** Where recovery begins; `undefined` when the text is no label (src/backend/access/transam/xlogbackup.c). */
export const parseBackupLabel = (text: string): Lsn | undefined =>
  parseLsn(/^START WAL LOCATION: ([0-9A-F]+\/[0-9A-F]+) \(file /.exec(text)?.[1] ?? '')
