/** What cannot be a control file is refused; real ones of each major are read in the storage room. */
import { expect, test } from 'vitest'
import { parseControlFile, withFilesSynced } from './control-file.ts'
import { crc32cEnd, crc32cStart, crc32cStep } from './crc32c.ts'

const control = (version: number, state: number): Buffer => {
  const bytes = Buffer.alloc(8192)
  bytes.writeBigUInt64LE(7_000_000_000_000_000_001n, 0)
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(state, 16)
  bytes.writeBigUInt64LE(0x1_0000_0100n, 32)
  bytes.writeBigUInt64LE(0x1_0000_0028n, 40)
  bytes.writeUInt32LE(3, 48)
  bytes.writeBigUInt64LE(0x2_0000_0300n, 64)
  return bytes
}

test('the fields at its start', () => {
  expect(parseControlFile(control(1300, 6))).toEqual({
    systemId: 7_000_000_000_000_000_001n,
    state: 'in production',
    checkpoint: 0x1_0000_0100n,
    redo: 0x1_0000_0028n,
    timeline: 3,
    nextXid: 0x2_0000_0300n,
  })
})

test('a file cut short, of another version or in no state is refused', () => {
  expect(() => parseControlFile(Buffer.alloc(20))).toThrow('cut short')
  expect(() => parseControlFile(control(1201, 1))).toThrow('version 1201')
  expect(() => parseControlFile(control(1800, 7))).toThrow('does not exist')
})

const crc = (bytes: Buffer) => crc32cEnd(bytes.reduce(crc32cStep, crc32cStart))

test('the checksum is CRC-32C, by the check value of its definition', () => {
  expect(crc(Buffer.from('123456789'))).toBe(0xe3069283)
})

test.each([288, 296, 300])(
  'a file with its checksum at %i is marked, and nothing else changes',
  (at) => {
    const bytes = control(1300, 6)
    bytes.writeUInt32LE(crc(bytes.subarray(0, at)), at)
    const changed = withFilesSynced(bytes)
    expect(parseControlFile(changed ?? Buffer.alloc(0))).toEqual({
      ...parseControlFile(bytes),
      state: 'shut down in recovery',
    })
    expect(changed?.readUInt32LE(at)).toBe(crc((changed ?? bytes).subarray(0, at)))
    const differing = [...bytes.keys()].filter((place) => changed?.[place] !== bytes[place])
    expect(differing.every((place) => place === 16 || (place >= at && place < at + 4))).toBe(true)
  },
)

test('a clean shutdown, and a file whose checksum is not right, stay as they are', () => {
  const clean = control(1300, 1)
  clean.writeUInt32LE(crc(clean.subarray(0, 288)), 288)
  expect(withFilesSynced(clean)).toBeUndefined()
  expect(withFilesSynced(control(1300, 6))).toBeUndefined()
})
