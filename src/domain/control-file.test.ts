/** What cannot be a control file is refused; real ones of each major are read in the storage room. */
import { expect, test } from 'vitest'
import { parseControlFile } from './control-file.ts'

const control = (version: number, state: number): Buffer => {
  const bytes = Buffer.alloc(8192)
  bytes.writeBigUInt64LE(7_000_000_000_000_000_001n, 0)
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(state, 16)
  bytes.writeBigUInt64LE(0x1_0000_0100n, 32)
  bytes.writeBigUInt64LE(0x1_0000_0028n, 40)
  bytes.writeUInt32LE(3, 48)
  return bytes
}

test('the fields at its start', () => {
  expect(parseControlFile(control(1300, 6))).toEqual({
    systemId: 7_000_000_000_000_000_001n,
    state: 'in production',
    checkpoint: 0x1_0000_0100n,
    redo: 0x1_0000_0028n,
    timeline: 3,
  })
})

test('a file cut short, of another version or in no state is refused', () => {
  expect(() => parseControlFile(Buffer.alloc(20))).toThrow('cut short')
  expect(() => parseControlFile(control(1201, 1))).toThrow('version 1201')
  expect(() => parseControlFile(control(1800, 7))).toThrow('does not exist')
})
