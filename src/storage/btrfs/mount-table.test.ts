/** Recorded lines of `/proc/self/mountinfo`. */
import { expect, test } from 'vitest'
import { mountAt } from './mount-table.ts'

const table = String.raw`22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
61 22 0:41 / /srv/a\040pool rw,noatime shared:7 master:2 - btrfs /dev/loop3 rw,discard=async
62 22 0:42 / /srv/hidden rw - tmpfs none rw
63 22 0:43 / /srv/hidden rw - btrfs /dev/loop4 rw
`

test('what is mounted at a path', () => {
  expect(mountAt(table, '/')).toEqual({ fileSystem: 'ext4', source: '/dev/vda' })
  expect(mountAt(table, '/srv/a pool')).toEqual({ fileSystem: 'btrfs', source: '/dev/loop3' })
})

test('the last mount hides the others, and a directory inside is none', () => {
  expect(mountAt(table, '/srv/hidden')).toEqual({ fileSystem: 'btrfs', source: '/dev/loop4' })
  expect(mountAt(table, '/srv')).toBeUndefined()
  expect(mountAt('', '/')).toBeUndefined()
})
