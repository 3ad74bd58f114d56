/** Seals what has to be stored and may be read by nobody else: with a key of the state directory. */
import type { Secret } from '../lib/secret.ts'

export interface SecretBox {
  seal(secret: Secret): Promise<string>
  /** `undefined`: sealed with a key that is gone, or not by us. */
  open(sealed: string): Promise<Secret | undefined>
}
