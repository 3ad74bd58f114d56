/**
 * The operations on roles and databases. Each is one step inside the branch's Postgres that may run
 * again; what it made is answered as it was then. What Postgres refuses fails the operation, since a
 * delete that is tried for ever would hold up everything else that waits for this branch.
 */
import { renderDatabase } from '../domain/database.ts'
import type { DatabaseId, IdentityUid, RoleId } from '../domain/names.ts'
import { empty } from '../domain/operation.ts'
import { type RoleAttributes, type RoleIdentityType, renderRole } from '../domain/role.ts'
import type { Kind, StepContext } from '../operations/kind.ts'
import type { JsonObject } from '../ports/catalog.ts'
import type { RoleChanges } from '../ports/role-resources.ts'
import { inBranch, undoInBranch } from './branch-contents.ts'
import type { Services } from './services.ts'

const role = ({ row }: StepContext): RoleId => row.input.roleId as RoleId
const database = ({ row }: StepContext): DatabaseId => row.input.databaseId as DatabaseId

/** Who accepted it is in the row: there is no write without a caller. */
const maker = ({ row }: StepContext): IdentityUid => row.callerUid as IdentityUid

const finishWithMade = async ({ memory }: StepContext): Promise<JsonObject> =>
  memory.made as JsonObject

const createRoleKind = (services: Services): Kind => ({
  name: 'create-role',
  onFailure: 'undo',
  steps: [
    {
      name: 'make',
      async run(context) {
        const { row } = context
        const { postgresRole, identityType, canLogin, attributes, isSuperuserMember } = row.input
        const made = await inBranch(services, context, async (socket, path) =>
          renderRole(
            await services.roles.createRole(socket, {
              operation: row.uid,
              roleId: role(context),
              postgresRole: String(postgresRole),
              identityType: (identityType ?? undefined) as RoleIdentityType | undefined,
              canLogin: canLogin === true,
              attributes: attributes as unknown as RoleAttributes,
              isSuperuserMember: isSuperuserMember === true,
              createdBy: maker(context),
            }),
            path,
          ),
        )
        context.memory = { made }
      },
      undo: (context) =>
        undoInBranch(services, context, (socket) =>
          services.roles.undoCreateRole(socket, context.row.uid),
        ),
    },
  ],
  finish: finishWithMade,
})

const updateRoleKind = (services: Services): Kind => ({
  name: 'update-role',
  onFailure: 'undo',
  steps: [
    {
      name: 'change',
      async run(context) {
        const changes = context.row.input.changes as RoleChanges
        const made = await inBranch(services, context, async (socket, path) =>
          renderRole(await services.roles.updateRole(socket, role(context), changes), path),
        )
        context.memory = { made }
      },
    },
  ],
  finish: finishWithMade,
})

const deleteRoleKind = (services: Services): Kind => ({
  name: 'delete-role',
  onFailure: 'undo',
  steps: [
    {
      name: 'find', // so that a second run does not take another role that has the id since
      async run(context) {
        const { roles } = await inBranch(services, context, (socket) =>
          services.roles.inspect(socket, { creator: undefined }),
        )
        const oid = roles.find(({ roleId }) => roleId === role(context))?.oid ?? null
        context.memory = { oid }
      },
    },
    {
      name: 'drop',
      async run(context) {
        const { oid } = context.memory
        if (typeof oid !== 'number') return
        const reassignTo = (context.row.input.reassignTo ?? undefined) as RoleId | undefined
        await inBranch(services, context, (socket) =>
          services.roles.deleteRole(socket, { oid, roleId: role(context) }, { reassignTo }),
        )
      },
    },
  ],
  finish: () => Promise.resolve(empty),
})

const createDatabaseKind = (services: Services): Kind => ({
  name: 'create-database',
  onFailure: 'undo',
  steps: [
    {
      name: 'make',
      async run(context) {
        const { row } = context
        const made = await inBranch(services, context, async (socket, path) =>
          renderDatabase(
            await services.roles.createDatabase(socket, {
              operation: row.uid,
              databaseId: database(context),
              postgresDatabase: String(row.input.postgresDatabase),
              owner: row.input.owner as RoleId,
              createdBy: maker(context),
            }),
            path,
          ),
        )
        context.memory = { made }
      },
      undo: (context) =>
        undoInBranch(services, context, (socket) =>
          services.roles.undoCreateDatabase(socket, context.row.uid),
        ),
    },
  ],
  finish: finishWithMade,
})

const updateDatabaseKind = (services: Services): Kind => ({
  name: 'update-database',
  onFailure: 'undo',
  steps: [
    {
      name: 'change',
      async run(context) {
        const { postgresDatabase, owner } = context.row.input
        const changes = {
          ...(typeof postgresDatabase === 'string' ? { postgresDatabase } : {}),
          ...(typeof owner === 'string' ? { owner: owner as RoleId } : {}),
        }
        const made = await inBranch(services, context, async (socket, path) =>
          renderDatabase(
            await services.roles.updateDatabase(socket, database(context), changes),
            path,
          ),
        )
        context.memory = { made }
      },
    },
  ],
  finish: finishWithMade,
})

const deleteDatabaseKind = (services: Services): Kind => ({
  name: 'delete-database',
  onFailure: 'undo',
  steps: [
    {
      name: 'find', // so that a second run does not take another one that has the id since
      async run(context) {
        const { databases } = await inBranch(services, context, (socket) =>
          services.roles.inspect(socket, { creator: undefined }),
        )
        const oid = databases.find(({ databaseId }) => databaseId === database(context))?.oid
        context.memory = { oid: oid ?? null }
      },
    },
    {
      name: 'drop',
      async run(context) {
        const { oid } = context.memory
        if (typeof oid !== 'number') return
        await inBranch(services, context, (socket) =>
          services.roles.deleteDatabase(socket, { oid, databaseId: database(context) }),
        )
      },
    },
  ],
  finish: () => Promise.resolve(empty),
})

export const roleAndDatabaseKinds = (services: Services): readonly Kind[] => [
  createRoleKind(services),
  updateRoleKind(services),
  deleteRoleKind(services),
  createDatabaseKind(services),
  updateDatabaseKind(services),
  deleteDatabaseKind(services),
]
