/** Which statements make and change the role of a resource. Pure; names are quoted as Postgres does. */
import pg from 'pg'
import type { RoleAttributes } from '../domain/role.ts'
import type { NewRole, RoleChanges } from '../ports/role-resources.ts'
import { broadRole, markers, ownerRole } from './role-names.ts'

const quote = pg.escapeIdentifier

/** `verifier`: of the password that nobody knows, for a role that logs in by one. */
export function createRoleStatements(
  role: NewRole,
  verifier: string | undefined,
  hasGrantOptions: boolean,
): readonly string[] {
  const name = quote(role.postgresRole)
  const password = verifier === undefined ? '' : ` PASSWORD ${pg.escapeLiteral(verifier)}`
  return [
    `CREATE ROLE ${name} ${role.canLogin ? 'LOGIN' : 'NOLOGIN'} INHERIT ${sayAttributes(role.attributes)}${password}`,
    ...(role.identityType === undefined
      ? []
      : [
          `GRANT ${markers[role.identityType]} TO ${name}${hasGrantOptions ? ' WITH INHERIT FALSE, SET FALSE' : ''}`,
        ]),
    ...(role.isSuperuserMember ? [grantBroad(name, hasGrantOptions)] : []),
    // So that members can alter it by SQL, its password above all; up to 15 CREATEROLE is enough.
    ...(hasGrantOptions
      ? [`GRANT ${name} TO ${ownerRole} WITH ADMIN OPTION, INHERIT FALSE, SET FALSE`]
      : []),
  ]
}

/** `broadGrantors`: who made the role a member of the broad role; from 16 on each takes back its own. */
export function updateRoleStatements(
  postgresRole: string,
  { attributes = {}, isSuperuserMember }: RoleChanges,
  broadGrantors: readonly string[],
  hasGrantOptions: boolean,
): readonly string[] {
  const name = quote(postgresRole)
  const options = sayAttributes(attributes)
  return [
    ...(options === '' ? [] : [`ALTER ROLE ${name} ${options}`]),
    ...(isSuperuserMember === true ? [grantBroad(name, hasGrantOptions)] : []),
    ...(isSuperuserMember === false
      ? broadGrantors.map(
          (grantor) =>
            `REVOKE ${broadRole} FROM ${name}${hasGrantOptions ? ` GRANTED BY ${quote(grantor)}` : ''} CASCADE`,
        )
      : []),
  ]
}

/**
 * What a role of its own has, every manager has by inheritance, so that the shared ownership holds
 * in a database that such a role owns. From 16 on the ADMIN option that is there stays.
 */
export const shareOwner = (postgresRole: string, hasGrantOptions: boolean): string =>
  `GRANT ${quote(postgresRole)} TO ${ownerRole}${hasGrantOptions ? ' WITH INHERIT TRUE, SET TRUE' : ''}`

const grantBroad = (name: string, hasGrantOptions: boolean): string =>
  `GRANT ${broadRole} TO ${name}${hasGrantOptions ? ' WITH INHERIT TRUE, SET TRUE' : ''}`

const sayAttributes = (attributes: Partial<RoleAttributes>): string =>
  (['createdb', 'createrole', 'bypassrls'] as const)
    .filter((attribute) => attributes[attribute] !== undefined)
    .map((attribute) => `${attributes[attribute] ? '' : 'NO'}${attribute.toUpperCase()}`)
    .join(' ')
