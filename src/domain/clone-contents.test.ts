/** The rule for each path of a data directory. */
import { expect, test } from 'vitest'
import { type CloneRule, cloneRule } from './clone-contents.ts'

test.each<readonly [string, CloneRule]>([
  ['PG_VERSION', 'take'],
  ['base/1/1259', 'take'],
  ['base/1/pgsql_tmp', 'leave out'],
  ['base/pgsql_tmp', 'leave out'],
  ['base/pgsql_tmp/pgsql_tmp123.0', 'leave out'],
  ['global/pg_control', 'take last'],
  ['pg_wal', 'leave out'],
  ['postmaster.pid', 'leave out'],
  ['postmaster.opts', 'leave out'],
  ['standby.signal', 'leave out'],
  ['recovery.signal', 'leave out'],
  ['pg_replslot', 'take empty'],
  ['pg_subtrans', 'take empty'],
  ['pg_xact', 'take'],
  ['pg_stat', 'take'],
  ['backup_label', 'take'],
  ['postgresql.auto.conf', 'take'],
])('%s: %s', (path, rule) => {
  expect(cloneRule(path)).toBe(rule)
})
