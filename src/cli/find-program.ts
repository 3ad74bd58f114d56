/** Where a program lies on a PATH. */
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** `undefined`: it is not there, or may not be run. */
export async function findProgram(name: string, path: string): Promise<string | undefined> {
  for (const directory of path.split(delimiter).filter(Boolean)) {
    const file = join(directory, name)
    const isThere = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return file
  }
  return undefined
}
