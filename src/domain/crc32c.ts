/** CRC-32C (Castagnoli; RFC 3720, appendix B.4), the checksum of Postgres's control file. */

const polynomial = 0x82f63b78

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1
  return value >>> 0
})

/** The register after one more byte; it begins as `crc32cStart` and is inverted at the end. */
export const crc32cStep = (register: number, byte: number): number =>
  ((register >>> 8) ^ (table[(register ^ byte) & 0xff] ?? 0)) >>> 0

export const crc32cStart = 0xffff_ffff
export const crc32cEnd = (register: number): number => (register ^ 0xffff_ffff) >>> 0
