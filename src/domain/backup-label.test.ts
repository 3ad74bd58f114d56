import { expect, test } from 'vitest'
import { parseBackupLabel } from './backup-label.ts'
import { formatLsn } from './lsn.ts'

const label = `START WAL LOCATION: 1/2000028 (file 000000010000000100000002)
CHECKPOINT LOCATION: 1/2000060
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-23 08:00:00 GMT
LABEL: lakelet
START TIMELINE: 1
`

test('recovery begins where the label says', () => {
  const start = parseBackupLabel(label)
  expect(start && formatLsn(start)).toBe('1/2000028')
})

test('what is no label is not read', () => {
  expect(parseBackupLabel('')).toBeUndefined()
  expect(parseBackupLabel(label.slice(10))).toBeUndefined()
})
