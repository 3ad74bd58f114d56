/**
 * A btrfs pool on a machine whose file system cannot clone: a sparse image below the state directory,
 * loop-mounted over the pool directory. Making it is all or nothing (draft, then rename), mounting it
 * recognises what an earlier run left: a loop device without mount, or the mount itself.
 */
import { access, chmod, open, readFile, realpath, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Layout } from '../../domain/layout.ts'
import { readableBytes } from '../../lib/byte-size.ts'
import { syncDirectory } from '../../lib/durable-file.ts'
import { CommandFailed, run } from '../../lib/subprocess.ts'
import { minutes } from '../../lib/time.ts'
import { exists, freeBytes } from '../pool-faults.ts'
import { PoolRefused } from '../pool-refused.ts'
import type { Probe } from '../probe.ts'
import { type Mount, mountAt } from './mount-table.ts'

const GiB = 2 ** 30
/** btrfs needs about 110 MiB for itself, and the reserve is kept free. */
export const smallestImage = 256 * 2 ** 20

/**
 * `user_subvol_rm_allowed`: so that tools without privileges can delete what they made. `noatime`:
 * or else reading a branch would unshare its metadata. `discard=async`: or else the image only grows.
 */
const mountOptions = 'noatime,discard=async,user_subvol_rm_allowed'

/** Half of what is free, since WAL, catalog and logs live beside the image. */
export const defaultImageBytes = (free: number): number =>
  Math.min(Math.max(Math.floor(free / 2), GiB), 1024 * GiB)

/** Whether this process may make and mount an image here. */
export async function probeImage(
  layout: Layout,
  requestedBytes: number | undefined,
): Promise<Probe> {
  const cannot = (because: string): Probe => ({ isUsable: false, because })
  if (process.platform !== 'linux') return cannot('a btrfs image can be mounted on Linux only')
  if (process.getuid?.() !== 0) return cannot('only root may mount a btrfs image')
  for (const [command, origin] of [
    ['mkfs.btrfs', 'btrfs-progs'],
    ['btrfs', 'btrfs-progs'],
    ['losetup', 'util-linux'],
    ['mount', 'util-linux'],
  ] as const) {
    if (!(await isInstalled(command))) return cannot(`${command} is not installed (${origin})`)
  }
  try {
    await access('/dev/loop-control')
  } catch {
    return cannot('there are no loop devices here (as in most containers)')
  }
  const free = await freeBytes(layout.root)
  if (requestedBytes === undefined && free < GiB) {
    return cannot(`only ${readableBytes(free)} are free, a btrfs image needs 1 GiB`)
  }
  return { isUsable: true }
}

async function isInstalled(command: string): Promise<boolean> {
  try {
    await run(command, ['--version'])
    return true
  } catch (error) {
    return error instanceof CommandFailed
  }
}

/** Refuses sizes that cannot work before anything is made. */
async function assertSize(layout: Layout, bytes: number, held: number): Promise<void> {
  if (!Number.isSafeInteger(bytes) || bytes < smallestImage) {
    throw new PoolRefused(
      `A pool of ${readableBytes(bytes)} is too small.`,
      `Give it at least ${readableBytes(smallestImage)} (--pool-size).`,
    )
  }
  const free = await freeBytes(layout.root)
  if (bytes - held > free) {
    throw new PoolRefused(
      `A pool of ${readableBytes(bytes)} does not fit: ${readableBytes(free)} are free under ${layout.root}.`,
      'Ask for less (--pool-size), or free some room.',
    )
  }
}

/** Makes the image, unmounted; returns its size. */
export async function makeImage(layout: Layout, requested: number | undefined): Promise<number> {
  const bytes = requested ?? defaultImageBytes(await freeBytes(layout.root))
  await assertSize(layout, bytes, 0)
  const draft = `${layout.poolImage}.draft`
  await rm(draft, { force: true }) // a crash left it
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.truncate(bytes)
    } finally {
      await file.close()
    }
    // Two copies of metadata, as is the default. One makes commits a millisecond quicker, but begins
    // with 8 MiB for it: filled with data once, such a file system never gets room again.
    await run('mkfs.btrfs', ['-q', '-m', 'dup', '-L', 'lakelet', draft], {
      patience: minutes(5),
    })
    const made = await open(draft, 'r')
    try {
      await made.sync() // contents before name
    } finally {
      await made.close()
    }
    await rename(draft, layout.poolImage)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  await syncDirectory(dirname(layout.poolImage))
  return bytes
}

/** Mounts the image at the pool directory unless it is mounted there. */
export async function mountImage(layout: Layout): Promise<void> {
  await assertImage(layout)
  const mounted = await currentMount(layout)
  if (mounted !== undefined) {
    if ((await loopDevices(layout)).includes(mounted.source)) return
    throw new PoolRefused(
      `Another file system (${mounted.source}) is mounted at ${layout.pool}.`,
      `Unmount it: the pool of this state directory is the image ${layout.poolImage}.`,
    )
  }
  const device = (await loopDevices(layout))[0] ?? (await attach(layout))
  try {
    await run('mount', ['-t', 'btrfs', '-o', mountOptions, device, layout.pool])
  } finally {
    // Detaching a device in use only marks it: it goes with the last unmount, or at once.
    await run('losetup', ['--detach', device])
  }
  await chmod(layout.pool, 0o755)
}

/** Whether anything is mounted where the pool belongs. */
export const isMounted = async (layout: Layout): Promise<boolean> =>
  (await currentMount(layout)) !== undefined

/** Our process must not be in the way: computes have to be stopped before. */
export async function unmountImage(layout: Layout): Promise<void> {
  const mounted = await currentMount(layout)
  if (mounted === undefined || !(await loopDevices(layout)).includes(mounted.source)) return
  await run('umount', [layout.pool])
}

/**
 * Loop devices over the image beside the mounted one, which a crash between attaching and mounting leaves.
 * One that somebody uses goes when it is let go of.
 */
export async function detachStrayDevices(layout: Layout): Promise<readonly string[]> {
  const mounted = await currentMount(layout)
  if (mounted === undefined) return []
  const strays = (await loopDevices(layout)).filter((device) => device !== mounted.source)
  for (const device of strays) await run('losetup', ['--detach', device])
  return strays
}

/** Of a first start that could not mount what it made: nothing is in it. */
export async function discardImage(layout: Layout): Promise<void> {
  for (const device of await loopDevices(layout)) await run('losetup', ['--detach', device])
  await rm(layout.poolImage, { force: true })
}

/** Makes a mounted image larger; smaller is refused. Returns the size that it has then. */
export async function growImage(layout: Layout, held: number, bytes: number): Promise<number> {
  if (bytes === held) return held
  if (bytes < held) {
    throw new PoolRefused(
      `The pool has ${readableBytes(held)}; it cannot be made smaller.`,
      `Leave --pool-size away or ask for more than ${readableBytes(held)}.`,
    )
  }
  await assertSize(layout, bytes, held)
  const file = await open(layout.poolImage, 'r+')
  try {
    await file.truncate(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  for (const device of await loopDevices(layout)) await run('losetup', ['--set-capacity', device])
  await run('btrfs', ['filesystem', 'resize', 'max', layout.pool])
  return bytes
}

export const hasImage = (layout: Layout): Promise<boolean> => exists(layout.poolImage)

async function assertImage(layout: Layout): Promise<void> {
  if (await hasImage(layout)) return
  throw new PoolRefused(
    `The pool's image ${layout.poolImage} is gone.`,
    `Put it back, or begin with another state directory: its branches were in that image.`,
  )
}

async function currentMount(layout: Layout): Promise<Mount | undefined> {
  return mountAt(await readFile('/proc/self/mountinfo', 'utf8'), await realpath(layout.pool))
}

/** Loop devices over the image, as `/dev/loop3`. */
async function loopDevices(layout: Layout): Promise<readonly string[]> {
  const output = await run('losetup', [
    '--noheadings',
    '--output',
    'NAME',
    '--associated',
    layout.poolImage,
  ])
  return output.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]))
}

async function attach(layout: Layout): Promise<string> {
  const device = (await run('losetup', ['--find', '--show', layout.poolImage])).trim()
  try {
    await run('losetup', ['--direct-io=on', device])
  } catch (error) {
    // Without it every page is cached twice; a file system that cannot do it (tmpfs) still works.
    if (!(error instanceof CommandFailed)) throw error
  }
  return device
}
