/**
 * Programs that are not on npm. Where one is absent its tests are skipped by name, except in CI: there
 * the proof must be whole.
 */
import { run } from '../../src/lib/subprocess.ts'

export async function isInstalled(program: string, version?: RegExp): Promise<boolean> {
  const said = await run(program, ['--version']).catch(() => undefined)
  const found = said !== undefined && (version === undefined || version.test(said))
  if (!found && process.env.CI !== undefined)
    throw new Error(`CI needs ${program} ${version ?? ''}`)
  return found
}
