/**
 * Subvolumes made, cloned and deleted by the kernel's own calls (linux/btrfs.h), without a process for each: a
 * server of 200 MB is copied in 4 to 9 ms by the fork before a command, and answers nobody meanwhile; the
 * calls take 2.4 and 0.1. They need a foreign function interface, which npm may have left out; and they
 * only say that they failed. In both cases the `btrfs` command does it, or says why it cannot.
 */
import { open } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { run } from '../../lib/subprocess.ts'

/** What a call is given: a descriptor of the source where there is one, then a name below the target. */
interface Call {
  readonly request: number
  /** Offset of the name in the 4096 bytes that each of these calls takes. */
  readonly nameAt: number
}

// Numbers of the common encoding of ioctl(2), which x86-64 and arm64 have: _IOW(0x94, n, 4096 bytes).
const create: Call = { request: 0x5000940e, nameAt: 8 } // BTRFS_IOC_SUBVOL_CREATE, btrfs_ioctl_vol_args
const destroy: Call = { request: 0x5000940f, nameAt: 8 } // BTRFS_IOC_SNAP_DESTROY, btrfs_ioctl_vol_args
const snapshot: Call = { request: 0x50009417, nameAt: 56 } // BTRFS_IOC_SNAP_CREATE_V2, btrfs_ioctl_vol_args_v2
const argumentBytes = 4096
/** BTRFS_VOL_NAME_MAX */
const longestName = 255

type Ioctl = (descriptor: number, request: number, argument: Buffer) => Promise<number>

export interface Subvolumes {
  create(path: string): Promise<void>
  /** Of `from` as `to`, which is not there: inside a directory that is, the kernel would nest it. */
  snapshot(from: string, to: string): Promise<void>
  /** Throws `CommandFailed` where it may not, or where another is inside. */
  delete(path: string): Promise<void>
}

export function subvolumes(): Subvolumes {
  const loading = loadIoctl()
  const call = async ({ request, nameAt }: Call, path: string, source = -1): Promise<boolean> => {
    const ioctl = await loading
    const name = Buffer.from(basename(path))
    if (ioctl === undefined || name.length > longestName) return false
    const argument = Buffer.alloc(argumentBytes)
    argument.writeBigInt64LE(BigInt(source), 0)
    name.copy(argument, nameAt)
    const parent = await open(dirname(path), 'r')
    try {
      return (await ioctl(parent.fd, request, argument)) === 0
    } finally {
      await parent.close()
    }
  }
  return {
    async create(path) {
      if (!(await call(create, path))) await run('btrfs', ['subvolume', 'create', path])
    },
    async snapshot(from, to) {
      const source = await open(from, 'r')
      try {
        if (await call(snapshot, to, source.fd)) return
      } finally {
        await source.close()
      }
      await run('btrfs', ['subvolume', 'snapshot', from, to])
    },
    async delete(path) {
      if (!(await call(destroy, path))) await run('btrfs', ['subvolume', 'delete', path])
    },
  }
}

async function loadIoctl(): Promise<Ioctl | undefined> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) return undefined
  try {
    const { default: koffi } = await import('koffi')
    const ioctl = koffi
      .load(null)
      .func('int ioctl(int fd, unsigned long request, uint8_t *argument)')
    return (descriptor, request, argument) =>
      new Promise((resolve, reject) => {
        ioctl.async(descriptor, request, argument, (error: unknown, result: number) => {
          if (error === null) resolve(result)
          else reject(error)
        })
      })
  } catch {
    return undefined // left out, or of another libc
  }
}
