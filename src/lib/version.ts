/** The one version of this build, read from package.json so that no second number can disagree. */
import { readFileSync } from 'node:fs'

// The same two steps up from src/lib and from dist/lib.
const manifest: unknown = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
)

export const version: string =
  typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : '0.0.0'
