/** Reads `/proc/self/mountinfo` (proc_pid_mountinfo(5)). */

export interface Mount {
  readonly fileSystem: string
  readonly source: string
}

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )

/** What is mounted at `path` now: the last of several, which hides the others. */
export function mountAt(mountinfo: string, path: string): Mount | undefined {
  let found: Mount | undefined
  for (const line of mountinfo.split('\n')) {
    // id parent major:minor root MOUNT-POINT options [optional fields] - TYPE SOURCE super-options
    const [before, after] = line.split(' - ')
    const place = before?.split(' ')[4]
    const [fileSystem, source] = after?.split(' ') ?? []
    if (place === undefined || fileSystem === undefined || source === undefined) continue
    if (unescaped(place) === path) found = { fileSystem, source: unescaped(source) }
  }
  return found
}
