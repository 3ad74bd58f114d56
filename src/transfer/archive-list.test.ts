/** The table of contents of a dump, as pg_restore prints it. */
import { expect, test } from 'vitest'
import { cutList, dataEntries, dumpedTable, loadedEntry } from './archive-list.ts'

const list = `;
; Archive created at 2026-11-23
;
210; 1259 16386 TABLE app products clerk
3330; 0 16386 TABLE DATA app products clerk
3331; 0 16390 TABLE DATA public orders postgres
3200; 3256 16401 POLICY public orders seen postgres
3201; 3256 16402 POLICY public orders everybody postgres
3340; 0 0 COMMENT public POLICY seen ON orders postgres
3341; 0 0 COMMENT public POLICY seen_too ON orders postgres
3190; 3466 16410 EVENT TRIGGER - noting postgres
3342; 0 0 COMMENT - EVENT TRIGGER noting postgres
3191; 1418 16411 USER MAPPING - USER MAPPING clerk SERVER far postgres
`

test('what refers to roles and rights that are not there is left out, and nothing else', () => {
  const skipped = [
    { oid: 16401, name: 'seen' },
    { oid: 16410, name: 'noting' },
    { oid: 16411, name: 'clerk on far' },
    { oid: 16386, name: 'a table is never left out' },
  ]
  const left = list.split('\n').filter((line) => !cutList(list, skipped).split('\n').includes(line))
  expect(left.map((line) => line.split(';')[0])).toEqual(['3200', '3340', '3190', '3342', '3191'])
})

test('entries of data by their ids', () => {
  expect([...dataEntries(list)]).toEqual([
    [3330, 16386],
    [3331, 16390],
  ])
})

test('what the programs say on their way', () => {
  expect(dumpedTable('pg_dump: dumping contents of table "app.products"')).toBe('app.products')
  expect(dumpedTable('pg_dump: reading table "x"')).toBeUndefined()
  expect(loadedEntry('pg_restore: finished item 3330 TABLE DATA products')).toBe(3330)
  expect(loadedEntry('pg_restore: finished item 3330 INDEX products_pkey')).toBeUndefined()
})
