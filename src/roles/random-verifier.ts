/**
 * The SCRAM-SHA-256 verifier (RFC 5803) of a password that is drawn, used once and forgotten. Made
 * here so that no clear password travels to Postgres or could stand in one of its logs. The password
 * is ASCII, which SASLprep leaves as it is.
 */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

/** Postgres's own `scram_iterations`. */
const iterations = 4096

const derive = promisify(pbkdf2)

export const randomVerifier = (): Promise<string> =>
  verifierOf(randomBytes(32).toString('base64url'), randomBytes(16))

/** https://www.rfc-editor.org/rfc/rfc5802#section-3 */
export async function verifierOf(password: string, salt: Buffer): Promise<string> {
  const salted = await derive(password, salt, iterations, 32, 'sha256')
  const keyed = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(keyed('Client Key')).digest('base64')
  const serverKey = keyed('Server Key').toString('base64')
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}
