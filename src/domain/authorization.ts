/**
 * Who may do what, as a table: every action of the product has its row, some a second one for what
 * needs more (`createBranch/stays`). `decide` is the whole reading of it. Whoever has nothing on a
 * project meets 404, as if the project were not there; too little is 403, with what is lacking.
 */
import { atLeast, type PermissionLevel } from './identity.ts'

/** What the caller is to what it acts on. */
export interface Standing {
  readonly isAdmin: boolean
  /** On the project: the highest of its own and its groups'. */
  readonly level?: PermissionLevel | undefined
  /** It made the branch or the operation, holds the token, is the identity. */
  readonly isOwn?: boolean
}

/** What `denied` names as lacking. */
type Lacking = PermissionLevel | 'the administrator role'

export type Rule =
  /** Asked before anybody is known: what it answers is who it is. */
  | { readonly on: 'door' }
  | { readonly on: 'workspace'; readonly who: 'everyone'; readonly to: string }
  | { readonly on: 'workspace'; readonly who: 'administrators'; readonly to: string }
  /** Administrators and whoever it belongs to; `hidden`: nobody else learns that it is there. */
  | {
      readonly on: 'workspace'
      readonly who: 'owner'
      readonly to: string
      readonly isHidden?: true
    }
  | ProjectRule

export interface ProjectRule {
  readonly on: 'project'
  readonly needs: PermissionLevel
  /** Enough for what is one's own. `NONE`: no permission at all. */
  readonly ifOwn?: PermissionLevel | 'NONE'
  /** A verb phrase for the refusal: `create branches`. */
  readonly to: string
}

const project = (needs: PermissionLevel, to: string) => ({ on: 'project', needs, to }) as const
/** Managers, and whoever made the branch. */
const ddl = (to: string) => ({ ...project('CAN_MANAGE', to), ifOwn: 'CAN_BRANCH' }) as const
const see = project('CAN_USE', 'see the project')
const everyone = (to: string) => ({ on: 'workspace', who: 'everyone', to }) as const
const administrators = (to: string) => ({ on: 'workspace', who: 'administrators', to }) as const
const owner = (to: string) => ({ on: 'workspace', who: 'owner', to }) as const
const hidden = (to: string) => ({ ...owner(to), isHidden: true }) as const
const door = { on: 'door' } as const

export const rules = {
  authenticate: door,
  verifyClientSecret: door,

  createProject: everyone('create projects'),
  /** Lists what one may see. */
  listProjects: everyone('list projects'),
  getProject: see,
  updateProject: project('CAN_MANAGE', 'change the project'),
  deleteProject: project('CAN_MANAGE', 'delete the project'),
  undeleteProject: project('CAN_MANAGE', 'undelete the project'),

  createBranch: project('CAN_BRANCH', 'create branches'),
  'createBranch/stays': project('CAN_MANAGE', 'create branches that stay'),
  getBranch: see,
  listBranches: see,
  updateBranch: project('CAN_BRANCH', 'change branches'),
  'updateBranch/ofAnother': project('CAN_MANAGE', 'change branches of others'),
  'updateBranch/stays': project('CAN_MANAGE', 'make a branch stay'),
  deleteBranch: project('CAN_BRANCH', 'delete branches'),
  'deleteBranch/ofAnother': project('CAN_MANAGE', 'delete branches of others'),
  /** What comes back has no end. */
  undeleteBranch: project('CAN_MANAGE', 'undelete branches'),
  upgradeBranch: project('CAN_BRANCH', 'upgrade branches'),
  'upgradeBranch/stays': project('CAN_MANAGE', 'create branches that stay'),
  bindBranch: project('CAN_USE', 'bind branches'),
  /** It lets the branch go with the worktree. */
  'bindBranch/ofAnother': project('CAN_MANAGE', 'let worktrees own branches of others'),
  /** They name directories of people's machines. */
  listBindings: project('CAN_BRANCH', 'list bindings'),
  previewFindings: project('CAN_BRANCH', 'collect branches'),
  noteFindings: project('CAN_BRANCH', 'collect branches'),
  collectBranch: project('CAN_BRANCH', 'collect branches'),
  getTtlPolicy: see,
  setTtlPolicy: project('CAN_MANAGE', 'say how long branches may live'),
  /** The server reaches whatever the address names. */
  createWebhook: project('CAN_MANAGE', 'create webhooks'),
  listWebhooks: project('CAN_MANAGE', 'list webhooks'),
  deleteWebhook: project('CAN_MANAGE', 'delete webhooks'),
  /** As much as to make a branch of it and look there. */
  verifyBranch: project('CAN_BRANCH', 'verify branches'),

  resetBranch: project('CAN_BRANCH', 'reset branches'),
  'resetBranch/ofAnother': project('CAN_MANAGE', 'reset branches of others'),
  'resetBranch/stays': project('CAN_MANAGE', 'reset branches that stay'),
  previewReset: project('CAN_BRANCH', 'reset branches'),
  restoreBranch: project('CAN_MANAGE', 'restore branches in place'),
  previewRestore: project('CAN_MANAGE', 'restore branches in place'),
  /** The server reaches whatever the address names. */
  importBranch: project('CAN_MANAGE', 'import branches'),
  'importBranch/fromSocket': administrators("import from a Unix socket of the server's machine"),
  /** All that is in it, passwords of roles as Postgres keeps them included. */
  exportBranch: project('CAN_MANAGE', 'export branches'),

  createEndpoint: project('CAN_MANAGE', 'create endpoints'),
  getEndpoint: see,
  listEndpoints: see,
  listComputeInstances: see,
  getComputeInstance: see,
  updateEndpoint: project('CAN_MANAGE', 'change endpoints'),
  deleteEndpoint: project('CAN_MANAGE', 'delete endpoints'),

  createSnapshot: project('CAN_BRANCH', 'create snapshots'),
  'createSnapshot/stays': project('CAN_MANAGE', 'create snapshots that stay'),
  getSnapshot: see,
  listSnapshots: see,
  deleteSnapshot: project('CAN_BRANCH', 'delete snapshots'),
  'deleteSnapshot/ofAnother': project('CAN_MANAGE', 'delete snapshots of others'),
  getSnapshotSchedule: see,
  /** What it takes stays as long as it says. */
  updateSnapshotSchedule: project('CAN_MANAGE', 'change snapshot schedules'),

  /** Writes where the server's own rights reach. */
  backUpBranch: administrators('back up branches'),
  listBackups: administrators('read backups'),
  verifyBackups: administrators('verify backups'),
  /** What is restored runs with the rights of the computes, and brings principals with it. */
  restoreBackup: administrators('restore backups'),

  createRole: project('CAN_USE', 'create roles'),
  'createRole/rights': ddl('give rights to roles'),
  getRole: see,
  listRoles: see,
  updateRole: project('CAN_USE', 'change roles'),
  'updateRole/ofAnother': ddl('change roles that others made'),
  deleteRole: project('CAN_USE', 'delete roles'),
  'deleteRole/ofAnother': ddl('delete roles that others made'),
  renewRolePassword: project('CAN_USE', 'set passwords of roles'),
  'renewRolePassword/ofAnother': ddl('set passwords of roles that others made'),

  createDatabase: project('CAN_USE', 'create databases'),
  getDatabase: see,
  listDatabases: see,
  updateDatabase: project('CAN_USE', 'change databases'),
  'updateDatabase/ofAnother': ddl('change databases that others made'),
  deleteDatabase: project('CAN_USE', 'delete databases'),
  'deleteDatabase/ofAnother': ddl('delete databases that others made'),

  getOperation: { ...see, ifOwn: 'NONE' },
  cancelOperation: { ...project('CAN_MANAGE', 'cancel operations of others'), ifOwn: 'CAN_BRANCH' },

  createCredential: project('CAN_USE', 'use the project'),
  /** Log in to a branch at all. */
  'session/connect': project('CAN_USE', 'log in'),
  /** Own, by membership, whatever any manager made on the branch. */
  'session/ddl': ddl('run DDL on every object'),

  getAccess: see,
  setAccess: project('CAN_MANAGE', 'change permissions'),

  createIdentity: administrators('create identities'),
  getIdentity: everyone('see identities'),
  listIdentities: everyone('list identities'),
  updateIdentity: administrators('change identities'),
  deleteIdentity: administrators('delete identities'),
  createGroup: administrators('create groups'),
  getGroup: everyone('see groups'),
  listGroups: everyone('list groups'),
  updateGroup: administrators('change groups'),
  deleteGroup: administrators('delete groups'),
  getMe: everyone('ask who they are'),

  /** Of a project that one manages. */
  listAudit: project('CAN_MANAGE', "read the project's audit log"),
  verifyAudit: administrators('verify the audit log'),

  createAccessToken: everyone('create tokens'),
  'createAccessToken/onBehalf': administrators('create tokens on behalf of others'),
  listAccessTokens: everyone('list their tokens'),
  'listAccessTokens/ofAll': administrators('see the tokens of others'),
  getAccessToken: hidden('see the tokens of others'),
  deleteAccessToken: hidden('delete the tokens of others'),

  createSetupLink: administrators('make links that set a password'),

  createClientSecret: owner('manage the secrets of others'),
  listClientSecrets: owner('manage the secrets of others'),
  deleteClientSecret: owner('manage the secrets of others'),
} as const satisfies Record<string, Rule>

export type Deed = keyof typeof rules
export type ProjectDeed = {
  [D in Deed]: (typeof rules)[D]['on'] extends 'project' ? D : never
}[Deed]

export type Decision =
  | { readonly kind: 'allowed' }
  /** As if it were not there. */
  | { readonly kind: 'hidden' }
  | { readonly kind: 'denied'; readonly to: string; readonly lacks: Lacking }

const allowed: Decision = { kind: 'allowed' }

export function decide(rule: Rule, standing: Standing): Decision {
  if (rule.on === 'door' || standing.isAdmin) return allowed
  if (rule.on === 'project') return decideOnProject(rule, standing)
  if (rule.who === 'everyone') return allowed
  if (rule.who === 'owner' && standing.isOwn) return allowed
  if (rule.who === 'owner' && rule.isHidden) return { kind: 'hidden' }
  return { kind: 'denied', to: rule.to, lacks: 'the administrator role' }
}

function decideOnProject(rule: ProjectRule, { level, isOwn = false }: Standing): Decision {
  const needs = isOwn ? (rule.ifOwn ?? rule.needs) : rule.needs
  if (needs === 'NONE') return allowed
  if (level === undefined) return { kind: 'hidden' }
  return atLeast(level, needs) ? allowed : { kind: 'denied', to: rule.to, lacks: needs }
}
