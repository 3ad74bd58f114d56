/**
 * Records are encrypted before they reach the catalog (JWE, `dir` with A256GCM): they hold session
 * ids and codes in clear, since the provider keeps ids inside of its payloads.
 */
import { CompactEncrypt, compactDecrypt, errors } from 'jose'

export interface Seal {
  close(value: Readonly<Record<string, unknown>>): Promise<string>
  /** `undefined`: sealed with a key that is gone, or not by us. */
  open(text: string): Promise<Record<string, unknown> | undefined>
}

export type SealingKeys = readonly { readonly id: string; readonly key: Uint8Array }[]

export function createSeal(keys: SealingKeys): Seal {
  const [current] = keys
  if (current === undefined) throw new Error('there is no sealing key')
  return {
    close: (value) =>
      new CompactEncrypt(new TextEncoder().encode(JSON.stringify(value)))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: current.id })
        .encrypt(current.key),
    async open(text) {
      try {
        const { plaintext } = await compactDecrypt(
          text,
          ({ kid }) => {
            const found = keys.find(({ id }) => id === kid)
            if (found === undefined) throw new errors.JWEDecryptionFailed()
            return found.key
          },
          { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] },
        )
        return JSON.parse(new TextDecoder().decode(plaintext)) as Record<string, unknown>
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined
        throw error
      }
    },
  }
}
