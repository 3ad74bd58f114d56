/**
 * What a backup keeps of the catalog: project, branch, endpoints, and the principals that may use the
 * project. Principals are named, since their uids mean nothing elsewhere; there is no secret in it, and who
 * was an administrator is not told.
 */
import { type Millis, millis } from '../lib/time.ts'
import {
  type Fields,
  fieldsOf,
  flagOf,
  listOf,
  numberOf,
  quantityOf,
  textOf,
  textsOf,
} from './backup-fields.ts'
import type { EndpointType } from './endpoint.ts'
import { type PermissionLevel, permissionLevels } from './identity.ts'
import type { PrincipalKind, Profile } from './principal.ts'
import type { CustomTag, EndpointDefaults } from './project.ts'

export interface ExportedProject {
  readonly displayName: string
  readonly historyRetention: Millis
  readonly endpointDefaults: EndpointDefaults
  readonly enablePgNativeLogin: boolean
  readonly customTags: readonly CustomTag[]
}

export interface ExportedBranch {
  readonly isProtected: boolean
  readonly logicalSizeBytes: number
}

export interface ExportedEndpoint extends EndpointDefaults {
  readonly endpointId: string
  readonly type: EndpointType
  readonly isDisabled: boolean
}

export interface ExportedPrincipal {
  readonly kind: PrincipalKind
  /** Of a group: its name. */
  readonly loginName: string
  readonly displayName: string
  readonly isActive: boolean
  readonly profile: Profile
  /** Of a group: names of what it holds directly. */
  readonly members: readonly string[]
}

export interface ExportedPermission {
  readonly loginName: string
  readonly level: PermissionLevel
}

export interface CatalogExport {
  readonly project: ExportedProject
  readonly branch: ExportedBranch
  /** The read-write endpoint first. */
  readonly endpoints: readonly ExportedEndpoint[]
  readonly principals: readonly ExportedPrincipal[]
  readonly permissions: readonly ExportedPermission[]
}

export const writeCatalogExport = (given: CatalogExport) => ({
  project: {
    display_name: given.project.displayName,
    history_retention_ms: given.project.historyRetention,
    endpoint_defaults: writeSizing(given.project.endpointDefaults),
    enable_pg_native_login: given.project.enablePgNativeLogin,
    custom_tags: given.project.customTags,
  },
  branch: {
    is_protected: given.branch.isProtected,
    logical_size_bytes: given.branch.logicalSizeBytes,
  },
  endpoints: given.endpoints.map((endpoint) => ({
    endpoint_id: endpoint.endpointId,
    type: endpoint.type,
    is_disabled: endpoint.isDisabled,
    ...writeSizing(endpoint),
  })),
  principals: given.principals.map((principal) => ({
    kind: principal.kind,
    name: principal.loginName,
    display_name: principal.displayName,
    is_active: principal.isActive,
    profile: principal.profile,
    members: principal.members,
  })),
  permissions: given.permissions.map(({ loginName, level }) => ({ name: loginName, level })),
})

/** Throws an Error that says what is wrong with it. */
export function readCatalogExport(value: unknown): CatalogExport {
  const fields = fieldsOf(value)
  const project = fieldsOf(fields.project)
  const branch = fieldsOf(fields.branch)
  return {
    project: {
      displayName: textOf(project, 'display_name'),
      historyRetention: millis(numberOf(project, 'history_retention_ms')),
      endpointDefaults: readSizing(fieldsOf(project.endpoint_defaults)),
      enablePgNativeLogin: flagOf(project, 'enable_pg_native_login'),
      customTags: listOf(project, 'custom_tags').map((tag) => ({
        key: textOf(fieldsOf(tag), 'key'),
        value: textOf(fieldsOf(tag), 'value'),
      })),
    },
    branch: {
      isProtected: flagOf(branch, 'is_protected'),
      logicalSizeBytes: numberOf(branch, 'logical_size_bytes'),
    },
    endpoints: listOf(fields, 'endpoints').map((endpoint) => readEndpoint(fieldsOf(endpoint))),
    principals: listOf(fields, 'principals').map((principal) => readPrincipal(fieldsOf(principal))),
    permissions: listOf(fields, 'permissions').map((permission) => {
      const named = fieldsOf(permission)
      return { loginName: textOf(named, 'name'), level: oneOf(permissionLevels, named.level) }
    }),
  }
}

const writeSizing = ({ minCu, maxCu, suspendTimeout, pgSettings }: EndpointDefaults) => ({
  min_cu: minCu,
  max_cu: maxCu,
  suspend_timeout_ms: suspendTimeout ?? null,
  pg_settings: pgSettings,
})

const readSizing = (fields: Fields): EndpointDefaults => ({
  minCu: quantityOf(fields, 'min_cu'),
  maxCu: quantityOf(fields, 'max_cu'),
  suspendTimeout:
    fields.suspend_timeout_ms === null ? undefined : millis(numberOf(fields, 'suspend_timeout_ms')),
  pgSettings: Object.fromEntries(
    Object.keys(fieldsOf(fields.pg_settings)).map((name) => [
      name,
      textOf(fieldsOf(fields.pg_settings), name),
    ]),
  ),
})

const endpointTypes = ['ENDPOINT_TYPE_READ_WRITE', 'ENDPOINT_TYPE_READ_ONLY'] as const

const readEndpoint = (fields: Fields): ExportedEndpoint => ({
  endpointId: textOf(fields, 'endpoint_id'),
  type: oneOf(endpointTypes, fields.type),
  isDisabled: flagOf(fields, 'is_disabled'),
  ...readSizing(fields),
})

const principalKinds = ['USER', 'SERVICE_PRINCIPAL', 'GROUP'] as const

const readPrincipal = (fields: Fields): ExportedPrincipal => ({
  kind: oneOf(principalKinds, fields.kind),
  loginName: textOf(fields, 'name'),
  displayName: textOf(fields, 'display_name'),
  isActive: flagOf(fields, 'is_active'),
  profile: readProfile(fieldsOf(fields.profile)),
  members: textsOf(fields, 'members'),
})

const readProfile = (fields: Fields): Profile => ({
  ...(fields.externalId === undefined ? {} : { externalId: textOf(fields, 'externalId') }),
  ...(fields.givenName === undefined ? {} : { givenName: textOf(fields, 'givenName') }),
  ...(fields.familyName === undefined ? {} : { familyName: textOf(fields, 'familyName') }),
  ...(fields.entitlements === undefined ? {} : { entitlements: textsOf(fields, 'entitlements') }),
  ...(fields.roles === undefined ? {} : { roles: textsOf(fields, 'roles') }),
})

function oneOf<T extends string>(all: readonly T[], value: unknown): T {
  const found = all.find((each) => each === value)
  if (found === undefined) throw new Error(`a value is none of ${all.join(', ')}`)
  return found
}
