/**
 * The choice of a driver: pure. Best first is btrfs where the pool lies on it, then cloning of files
 * where the file system has it, then a btrfs image of our own, then plain copies. An image comes
 * after native cloning because its loop layer costs writes; asked for by name it is made nonetheless.
 */
import type { DriverName, Rung } from '../ports/storage.ts'
import type { Probe } from './probe.ts'

export interface Findings {
  /** Name of the file system under the pool directory. */
  readonly fileSystem: string
  /** Subvolumes in the pool directory as it is. */
  readonly btrfs: Probe
  /** Cloning of files in the pool directory as it is. */
  readonly reflink: Probe
  /** A loop-mounted btrfs image of our own. */
  readonly image: Probe
  /** Such an image is mounted already: an earlier first start died after making it. */
  readonly isOnImage: boolean
}

export type Choice =
  | { readonly driver: DriverName; readonly onImage: boolean; readonly rungs: readonly Rung[] }
  /** What was asked for cannot be had. */
  | { readonly driver: undefined; readonly because: string; readonly rungs: readonly Rung[] }

export function climb(found: Findings, requested: DriverName | undefined): Choice {
  const btrfs = btrfsRung(found, requested)
  const reflink = reflinkRung(found)
  const copy: Try = { isUsable: true, because: 'works everywhere; a branch costs a full copy' }
  const tries: readonly (readonly [DriverName, Try])[] = [
    ['btrfs', btrfs],
    ['reflink', reflink],
    ['copy', copy],
  ]
  const taken = tries.find(([name, seen]) =>
    requested === undefined ? seen.isUsable : name === requested && seen.isUsable,
  )?.[0]
  const rungs = tries.map(
    ([driver, seen]): Rung => ({
      driver,
      isTaken: driver === taken,
      because: reason(driver, seen, taken, requested),
    }),
  )
  if (taken === undefined) {
    const wanted = tries.find(([name]) => name === requested)?.[1].because ?? 'no driver works here'
    return { driver: undefined, because: wanted, rungs }
  }
  return { driver: taken, onImage: taken === 'btrfs' && !found.btrfs.isUsable, rungs }
}

const ownImage = 'a btrfs image of our own, mounted'

interface Try {
  readonly isUsable: boolean
  readonly because: string
}

function btrfsRung(
  { fileSystem, btrfs, reflink, image, isOnImage }: Findings,
  requested: DriverName | undefined,
): Try {
  if (btrfs.isUsable) {
    return { isUsable: true, because: isOnImage ? ownImage : 'the pool directory is on btrfs' }
  }
  if (reflink.isUsable && requested !== 'btrfs') {
    return {
      isUsable: false,
      because: `${btrfs.because}; an image is not needed, since the file system clones files itself`,
    }
  }
  if (!image.isUsable) return { isUsable: false, because: `${btrfs.because}, and ${image.because}` }
  return { isUsable: true, because: `${ownImage}, since the file system is ${fileSystem}` }
}

function reflinkRung({ fileSystem, reflink }: Findings): Try {
  return reflink.isUsable
    ? { isUsable: true, because: `${fileSystem} clones files` }
    : { isUsable: false, because: reflink.because }
}

function reason(
  driver: DriverName,
  seen: Try,
  taken: DriverName | undefined,
  requested: DriverName | undefined,
): string {
  if (driver === taken) return requested === driver ? `asked for; ${seen.because}` : seen.because
  if (!seen.isUsable) return seen.because
  return requested === undefined
    ? `not needed: ${taken} is better`
    : `passed over: ${requested} was asked for`
}
