/**
 * Postgres's own check of a page when it reads one (PageIsVerified, bufpage.c): header, and the checksum of
 * src/include/storage/checksum_impl.h. Computed here, since pg_checksums is not part of every toolchain and
 * what Postgres reads itself ends at the first page that is wrong.
 */

export const pageBytes = 8192
const pageWords = pageBytes / 4
const lanes = 32

/** What each of the 32 lanes begins with (checksumBaseOffsets). */
const laneStarts = Int32Array.of(
  ...[0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2],
  ...[0x83e13d2c, 0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c],
  ...[0xf718902a, 0x0b1c9cdb, 0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979],
  ...[0xcca6c0b2, 0x304a0979, 0x85aa43d4, 0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e],
  ...[0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756],
)
/** FNV-1a's prime; its product alone would leave the high bits of a word without a say in the low ones. */
const prime = 16777619
const mix = (sum: number, word: number): number => {
  const mixed = sum ^ word
  return Math.imul(mixed, prime) ^ (mixed >>> 17)
}

/** The word that holds `pd_checksum` in its low half, which counts as zero. */
const checksumWord = 2
const sums = new Int32Array(lanes)

/** Checksum of the page that lies at `block` of its relation (segments counted through): 1 to 65535. */
export function pageChecksum(words: Int32Array, block: number): number {
  sums.set(laneStarts)
  for (let at = 0; at < pageWords; at += 1) {
    const word = words[at] ?? 0
    const lane = at % lanes
    sums[lane] = mix(sums[lane] ?? 0, at === checksumWord ? word & ~0xffff : word)
  }
  let result = block
  for (const sum of sums) result ^= mix(mix(sum, 0), 0)
  return ((result >>> 0) % 65535) + 1
}

/** Bits of `pd_flags` that have a meaning (PD_VALID_FLAG_BITS). */
const knownFlags = 0x0007

export interface PageCheck {
  /** A cluster without data checksums has headers to look at, no more. */
  readonly hasChecksums: boolean
}

/** What is wrong with a page of `pageBytes` bytes, or `undefined`. Little-endian, as every toolchain is. */
export function pageProblem(
  page: Buffer,
  block: number,
  { hasChecksums }: PageCheck,
): string | undefined {
  const words = new Int32Array(page.buffer, page.byteOffset, pageWords)
  const upper = page.readUInt16LE(14)
  if (upper === 0) {
    // Never written yet: relations are extended by zeros.
    return words.every((word) => word === 0) ? undefined : 'the page is neither empty nor in use'
  }
  if (hasChecksums) {
    const stored = page.readUInt16LE(8)
    const computed = pageChecksum(words, block)
    if (stored !== computed) {
      return `its checksum is ${computed}, but ${stored} was written with it`
    }
  }
  const [flags, lower, special] = [10, 12, 16].map((at) => page.readUInt16LE(at)) as [
    number,
    number,
    number,
  ]
  const isSane =
    (flags & ~knownFlags) === 0 &&
    lower <= upper &&
    upper <= special &&
    special <= pageBytes &&
    special % 8 === 0
  return isSane ? undefined : 'its header is not valid'
}

/** `16384`, `16384.1`, `16384_vm`, `16384_fsm.2`: a relation's file in a database's directory. */
const relationFile = /^(\d+)(?:_(fsm|vm|init))?(?:\.(\d+))?$/

export interface RelationFile {
  /** `pg_class.relfilenode`, or what pg_filenode.map says of a mapped catalog. */
  readonly filenode: number
  readonly fork: 'main' | 'fsm' | 'vm' | 'init'
  /** Which segment of the fork, from 0. */
  readonly segment: number
}

/** `undefined`: a file without pages (`PG_VERSION`, `pg_filenode.map`), or of a temporary table. */
export function parseRelationFile(name: string): RelationFile | undefined {
  const match = relationFile.exec(name)
  if (match === null) return undefined
  const [, filenode, fork = 'main', segment = '0'] = match
  return {
    filenode: Number(filenode),
    fork: fork as RelationFile['fork'],
    segment: Number(segment),
  }
}
