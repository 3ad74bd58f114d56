/** The address of an import's source: what is read from it, what is refused, and what nobody gets to see. */
import { describe, expect, test } from 'vitest'
import { Fault } from './faults.ts'
import { connectionText, parseImportSource, sayProblem } from './import-source.ts'

const plain = { parameters: {}, port: 5432, password: undefined }

describe('an address', () => {
  test.each([
    ['postgres://u@h', { host: 'h', user: 'u', database: 'u' }],
    ['postgresql://u@h/d', { host: 'h', user: 'u', database: 'd' }],
    [
      'postgres://u:p%40%2F%3A@h:5433/d%20b',
      { host: 'h', port: 5433, user: 'u', password: 'p@/:', database: 'd b' },
    ],
    ['postgres://u:p@ss@h/d', { host: 'h', user: 'u', password: 'p@ss', database: 'd' }],
    ['postgres://u:a:b@h/d', { host: 'h', user: 'u', password: 'a:b', database: 'd' }],
    ['postgres://u@[::1]:5433/d', { host: '::1', port: 5433, user: 'u', database: 'd' }],
    [
      'postgres://u@%2Fvar%2Frun%2Fpostgresql/d',
      { host: '/var/run/postgresql', user: 'u', database: 'd' },
    ],
    [
      'postgres:///d?host=/tmp&port=5433&user=u&password=p',
      { host: '/tmp', port: 5433, user: 'u', password: 'p', database: 'd' },
    ],
    [
      'postgres://u@h/d?sslmode=require&options=endpoint%3Dep-1',
      {
        host: 'h',
        user: 'u',
        database: 'd',
        parameters: { sslmode: 'require', options: 'endpoint=ep-1' },
      },
    ],
  ])('%s', (text, expected) => {
    expect(parseImportSource(text)).toEqual({ ...plain, ...expected })
  })

  test.each([
    ['', 'scheme'],
    ['shop', 'scheme'],
    ['http://u@h/d', 'scheme'],
    ['postgres://u@h/d#x', 'scheme'],
    ['postgres://u@h /d', 'blank'],
    ['postgres://u@h\u0000/d', 'control'],
    ['postgres://u@/d', 'no host'],
    ['postgres://h/d', 'no user'],
    ['postgres://u@a,b/d', 'several hosts'],
    ['postgres://u@a:1,b:2/d', 'colon'],
    ['postgres://u@::1/d', 'colon'],
    ['postgres://u@h:0/d', 'port'],
    ['postgres://u@h:65536/d', 'port'],
    ['postgres://u@h:x/d', 'port'],
    ['postgres://u:%zz@h/d', 'percent-encoded'],
    ['postgres://u@h/%00', 'NUL'],
    ['postgres://u@h/d?sslmode', 'no value'],
    ['postgres://u@h/d?sslmode=a&sslmode=b', 'twice'],
    ['postgres://u@h/d?passfile=/root/.pgpass', 'passfile is not taken'],
    ['postgres://u@h/d?sslkey=/k', 'sslkey is not taken'],
    ['postgres://u@h/d?service=x', 'service is not taken'],
    [`postgres://u:${'x'.repeat(5000)}@h/d`, '4096'],
  ])('%j is refused: %s', (text, problem) => {
    expect(() => parseImportSource(text)).toThrow(Fault)
    expect(() => parseImportSource(text)).toThrow(problem)
  })

  test('a refusal never holds the password', () => {
    const text = 'postgres://u:hunter2@h/d?secret=hunter2'
    expect(() => parseImportSource(text)).toThrow(/^(?!.*hunter2)/)
  })
})

test('what a program gets in its arguments is quoted, and has no password', () => {
  const source = parseImportSource("postgres://u:hunter2@h/d'b%5C?sslmode=require")
  expect(connectionText(source)).toBe(
    "connect_timeout='10' sslmode='require' host='h' port='5432' user='u' dbname='d\\'b\\\\'",
  )
})

test.each([
  [
    'psql: error: connection to server at "10.0.0.7", port 5432 failed: FATAL:  password authentication failed for user "u"\nconnection to server at "10.0.0.7", port 5432 failed: FATAL:  password authentication failed for user "u"\n',
    'FATAL: password authentication failed for user "u"',
  ],
  [
    'psql: error: connection to server on socket "/x/.s.PGSQL.5432" failed: No such file or directory\n\tIs the server running locally?',
    'No such file or directory',
  ],
  [
    'psql: error: could not translate host name "db.internal" to address: Name or service not known',
    'its host name is unknown: Name or service not known',
  ],
  ['pg_dump: dumping contents\npg_dump: error: hunter2 is wrong.', '*** is wrong'],
  ['', 'no reason was given'],
])('%j is told as %j', (said, told) => {
  expect(sayProblem(said, 'hunter2')).toBe(told)
})
