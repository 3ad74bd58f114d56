/**
 * Ids for roles and databases that nobody gave one: made by SQL, at a login, or by a create without
 * an id. Taken from the name in Postgres, so that a person recognises it; when the id is taken, with a
 * tail that comes from the name as well.
 */
import { createHash } from 'node:crypto'
import { type DatabaseId, isChildId, type RoleId } from './names.ts'
import type { RoleIdentityType } from './role.ts'

const longestId = 63
const tailLength = 8

/**
 * A user's role has the local part of the e-mail, a service principal's `sp-<application id>`, any
 * other the name itself. `isTaken` decides about collisions.
 */
export function deriveRoleId(
  name: string,
  identityType: RoleIdentityType | undefined,
  isTaken: (id: string) => boolean,
): RoleId {
  const [text, prefix] =
    identityType === 'USER'
      ? [name.split('@')[0] || name, '']
      : identityType === 'SERVICE_PRINCIPAL'
        ? [name, 'sp-']
        : [name, '']
  return freeId(slug(prefix + text, 'role'), name, isTaken) as RoleId
}

export const deriveDatabaseId = (name: string, isTaken: (id: string) => boolean): DatabaseId =>
  freeId(slug(name, 'database'), name, isTaken) as DatabaseId

/** Lower case; every character that an id cannot hold becomes a hyphen. */
function slug(name: string, kind: 'role' | 'database'): string {
  const plain = [...name.toLowerCase()]
    .map((character) => (/[a-z0-9-]/.test(character) ? character : '-'))
    .join('')
    .replace(/^-+/, '')
  const begun = plain === '' || /^[0-9]/.test(plain) ? `${kind}-${plain}` : plain
  return cut(begun, longestId)
}

const cut = (id: string, length: number): string => id.slice(0, length).replace(/-+$/, '')

function freeId(wanted: string, name: string, isTaken: (id: string) => boolean): string {
  for (let turn = 0; ; turn += 1) {
    const id =
      turn === 0 ? wanted : `${cut(wanted, longestId - tailLength - 1)}-${tail(name, turn)}`
    if (!isTaken(id) && isChildId(id)) return id
  }
}

const tail = (name: string, turn: number): string =>
  createHash('sha256').update(`${turn} ${name}`).digest('hex').slice(0, tailLength)
