import { describe, expect, test } from 'vitest'
import { isPostgresOn, parsePostmasterFile } from './postmaster-file.ts'

const lines = (status: string) =>
  ['4711', '/data', '1795412345', '5432', '/run/ep', '', '  5432001     32768', status, ''].join(
    '\n',
  )

describe('postmaster.pid', () => {
  test('tells how far a start is', () => {
    expect(parsePostmasterFile(lines('ready   '))).toEqual({ pid: 4711, status: 'ready' })
    expect(parsePostmasterFile(lines('starting'))).toEqual({ pid: 4711, status: 'starting' })
    expect(parsePostmasterFile(lines('stopping'))).toEqual({ pid: 4711, status: 'stopping' })
  })

  test('a file that is being written has a pid and no status', () => {
    expect(parsePostmasterFile('4711\n/data\n')).toEqual({ pid: 4711, status: undefined })
  })

  test('a single-user backend and rubbish are no postmaster', () => {
    expect(parsePostmasterFile('-4711\n/data\n')).toBeUndefined()
    expect(parsePostmasterFile('')).toBeUndefined()
    expect(parsePostmasterFile('x\n')).toBeUndefined()
  })

  test('only a postgres on this very directory is ours', () => {
    const command = '/t/bin/postgres -D /pool/a -c config_file=/run/a/postgresql.conf'
    expect(isPostgresOn(command, '/pool/a')).toBe(true)
    expect(isPostgresOn(command, '/pool')).toBe(false)
    expect(isPostgresOn(command, '/pool/ab')).toBe(false)
    expect(isPostgresOn('postgres: ep-a: checkpointer', '/pool/a')).toBe(false)
    expect(isPostgresOn('vim /pool/a -c x', '/pool/a')).toBe(false)
  })
})
