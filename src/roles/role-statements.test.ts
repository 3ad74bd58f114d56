import { expect, test } from 'vitest'
import type { IdentityUid, OperationUid, RoleId } from '../domain/names.ts'
import { noAttributes } from '../domain/role.ts'
import { createRoleStatements, shareOwner, updateRoleStatements } from './role-statements.ts'

const role = {
  operation: 'op' as OperationUid,
  roleId: 'app' as RoleId,
  postgresRole: `a"p'p`,
  identityType: undefined,
  canLogin: true,
  attributes: noAttributes,
  isSuperuserMember: false,
  createdBy: 'me' as IdentityUid,
}

test('a role of its own gets its verifier; from 16 on managers administer it', () => {
  const create = `CREATE ROLE "a""p'p" LOGIN INHERIT NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD 'SCRAM'`
  expect(createRoleStatements(role, 'SCRAM', false)).toEqual([create])
  expect(createRoleStatements(role, 'SCRAM', true)).toEqual([
    create,
    `GRANT "a""p'p" TO databricks_owner WITH ADMIN OPTION, INHERIT FALSE, SET FALSE`,
  ])
})

test('an identity is marked, and the marker can be neither used nor passed on', () => {
  expect(
    createRoleStatements(
      { ...role, identityType: 'GROUP', canLogin: false, isSuperuserMember: true },
      undefined,
      true,
    ).slice(0, 3),
  ).toEqual([
    `CREATE ROLE "a""p'p" NOLOGIN INHERIT NOCREATEDB NOCREATEROLE NOBYPASSRLS`,
    `GRANT databricks_identity_group TO "a""p'p" WITH INHERIT FALSE, SET FALSE`,
    `GRANT databricks_superuser TO "a""p'p" WITH INHERIT TRUE, SET TRUE`,
  ])
})

test('an update says what changes and nothing else', () => {
  expect(updateRoleStatements('x', {}, ['cloud_admin'], true)).toEqual([])
  expect(
    updateRoleStatements('x', { attributes: { createdb: true, bypassrls: false } }, [], true),
  ).toEqual(['ALTER ROLE "x" CREATEDB NOBYPASSRLS'])
  expect(updateRoleStatements('x', { isSuperuserMember: false }, ['a', 'b'], true)).toEqual([
    'REVOKE databricks_superuser FROM "x" GRANTED BY "a" CASCADE',
    'REVOKE databricks_superuser FROM "x" GRANTED BY "b" CASCADE',
  ])
  expect(updateRoleStatements('x', { isSuperuserMember: false }, ['a'], false)).toEqual([
    'REVOKE databricks_superuser FROM "x" CASCADE',
  ])
  expect(updateRoleStatements('x', { isSuperuserMember: true }, [], false)).toEqual([
    'GRANT databricks_superuser TO "x"',
  ])
})

test('what an owner has, managers inherit', () => {
  expect(shareOwner('x', false)).toBe('GRANT "x" TO databricks_owner')
  expect(shareOwner('x', true)).toBe('GRANT "x" TO databricks_owner WITH INHERIT TRUE, SET TRUE')
})
