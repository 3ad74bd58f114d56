/** Names of file systems by the magic number that `statfs` reports (linux/magic.h). */
const names: Readonly<Record<number, string>> = {
  61267: 'ext4', // 0xEF53
  1481003842: 'xfs', // 0x58465342
  2435016766: 'btrfs', // 0x9123683E
  3393526350: 'bcachefs', // 0xCA451A4E
  801189825: 'zfs', // 0x2FC12FC1
  16914836: 'tmpfs', // 0x01021994
  2035054128: 'overlayfs', // 0x794C7630
  26985: 'nfs', // 0x6969
  26: 'apfs', // macOS reports its own small numbers
}

export const fileSystemName = (magic: number): string =>
  names[magic] ?? `of an unknown kind (0x${magic.toString(16)})`
