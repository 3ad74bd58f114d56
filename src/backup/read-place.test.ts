import { describe, expect, test } from 'vitest'
import { Fault } from '../domain/faults.ts'
import { readPlace } from './read-place.ts'

const read = (place: string, endpointUrl?: string) => readPlace({ place, endpointUrl })

describe('a place', () => {
  test('is a directory or a prefix of a bucket', () => {
    expect(read('/mnt/a//b/')).toEqual({ kind: 'directory', path: '/mnt/a/b' })
    expect(read('s3://backups/app/', 'http://127.0.0.1:9000')).toEqual({
      kind: 's3',
      at: {
        place: 's3://backups/app/',
        bucket: 'backups',
        prefix: 'app/',
        endpointUrl: 'http://127.0.0.1:9000',
      },
    })
    expect(read('s3://backups')).toMatchObject({ at: { prefix: '' } })
  })

  test.each([
    ['relative/path'],
    ['/'],
    ['/a\nb'],
    ['s3://'],
    ['s3://UPPER/x'],
    ['s3://bucket/a/../b'],
    ['gs://bucket/x'],
    ['/mnt/a', 'http://127.0.0.1:9000'],
    ['s3://bucket/a', 'ftp://127.0.0.1'],
    ['s3://bucket/a', 'http://user:secret@127.0.0.1'],
    ['s3://bucket/a', 'nonsense'],
  ])('is not %s %s', (place, endpointUrl?: string) => {
    expect(() => read(place, endpointUrl)).toThrow(Fault)
    expect(() => read(place, endpointUrl)).not.toThrow(/secret/)
  })
})
