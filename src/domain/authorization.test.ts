import { describe, expect, test } from 'vitest'
import { type Decision, type Deed, decide, rules, type Standing } from './authorization.ts'

/** Who asks, in the columns below. */
const columns: Readonly<Record<string, Standing>> = {
  admin: { isAdmin: true },
  manage: { isAdmin: false, level: 'CAN_MANAGE' },
  branch: { isAdmin: false, level: 'CAN_BRANCH' },
  ownBranch: { isAdmin: false, level: 'CAN_BRANCH', isOwn: true },
  use: { isAdmin: false, level: 'CAN_USE' },
  ownUse: { isAdmin: false, level: 'CAN_USE', isOwn: true },
  own: { isAdmin: false, isOwn: true },
  nobody: { isAdmin: false },
}

const letters = { allowed: '+', denied: '-', hidden: '.' } as const
const said = (decision: Decision) => letters[decision.kind]

/** One letter for each column, in order: `+` allowed, `-` refused with 403, `.` as if not there. */
const table: Readonly<Record<Deed, string>> = {
  authenticate: '++++++++',
  verifyClientSecret: '++++++++',

  createProject: '++++++++',
  listProjects: '++++++++',
  getProject: '++++++..',
  updateProject: '++----..',
  deleteProject: '++----..',
  undeleteProject: '++----..',

  createBranch: '++++--..',
  'createBranch/stays': '++----..',
  getBranch: '++++++..',
  listBranches: '++++++..',
  updateBranch: '++++--..',
  'updateBranch/ofAnother': '++----..',
  'updateBranch/stays': '++----..',
  deleteBranch: '++++--..',
  'deleteBranch/ofAnother': '++----..',
  undeleteBranch: '++----..',
  upgradeBranch: '++++--..',
  'upgradeBranch/stays': '++----..',
  resetBranch: '++++--..',
  'resetBranch/ofAnother': '++----..',
  'resetBranch/stays': '++----..',
  previewReset: '++++--..',
  restoreBranch: '++----..',
  previewRestore: '++----..',
  importBranch: '++----..',
  'importBranch/fromSocket': '+-------',
  exportBranch: '++----..',
  verifyBranch: '++++--..',
  getTtlPolicy: '++++++..',
  setTtlPolicy: '++----..',
  createWebhook: '++----..',
  listWebhooks: '++----..',
  deleteWebhook: '++----..',
  bindBranch: '++++++..',
  'bindBranch/ofAnother': '++----..',
  listBindings: '++++--..',
  previewFindings: '++++--..',
  noteFindings: '++++--..',
  collectBranch: '++++--..',

  createEndpoint: '++----..',
  getEndpoint: '++++++..',
  listEndpoints: '++++++..',
  listComputeInstances: '++++++..',
  getComputeInstance: '++++++..',
  updateEndpoint: '++----..',
  deleteEndpoint: '++----..',

  createSnapshot: '++++--..',
  'createSnapshot/stays': '++----..',
  getSnapshot: '++++++..',
  listSnapshots: '++++++..',
  deleteSnapshot: '++++--..',
  'deleteSnapshot/ofAnother': '++----..',
  getSnapshotSchedule: '++++++..',
  updateSnapshotSchedule: '++----..',

  backUpBranch: '+-------',
  listBackups: '+-------',
  verifyBackups: '+-------',
  restoreBackup: '+-------',

  createRole: '++++++..',
  'createRole/rights': '++-+--..',
  getRole: '++++++..',
  listRoles: '++++++..',
  updateRole: '++++++..',
  'updateRole/ofAnother': '++-+--..',
  deleteRole: '++++++..',
  'deleteRole/ofAnother': '++-+--..',
  renewRolePassword: '++++++..',
  'renewRolePassword/ofAnother': '++-+--..',

  createDatabase: '++++++..',
  getDatabase: '++++++..',
  listDatabases: '++++++..',
  updateDatabase: '++++++..',
  'updateDatabase/ofAnother': '++-+--..',
  deleteDatabase: '++++++..',
  'deleteDatabase/ofAnother': '++-+--..',

  getOperation: '+++++++.',
  cancelOperation: '++-+--..',
  createCredential: '++++++..',
  'session/connect': '++++++..',
  'session/ddl': '++-+--..',

  getAccess: '++++++..',
  setAccess: '++----..',

  createIdentity: '+-------',
  getIdentity: '++++++++',
  listIdentities: '++++++++',
  updateIdentity: '+-------',
  deleteIdentity: '+-------',
  createGroup: '+-------',
  getGroup: '++++++++',
  listGroups: '++++++++',
  updateGroup: '+-------',
  deleteGroup: '+-------',
  getMe: '++++++++',

  listAudit: '++----..',
  verifyAudit: '+-------',

  createAccessToken: '++++++++',
  'createAccessToken/onBehalf': '+-------',
  listAccessTokens: '++++++++',
  'listAccessTokens/ofAll': '+-------',
  getAccessToken: '+..+.++.',
  deleteAccessToken: '+..+.++.',

  createSetupLink: '+-------',

  createClientSecret: '+--+-++-',
  listClientSecrets: '+--+-++-',
  deleteClientSecret: '+--+-++-',
}

describe('who may do what', () => {
  test.each(Object.keys(rules) as Deed[])('%s', (deed) => {
    const row = Object.values(columns).map((standing) => said(decide(rules[deed], standing)))
    expect(row.join('')).toBe(table[deed])
  })

  test('a refusal says what is lacking', () => {
    expect(decide(rules.setAccess, { isAdmin: false, level: 'CAN_USE' })).toEqual({
      kind: 'denied',
      to: 'change permissions',
      lacks: 'CAN_MANAGE',
    })
    expect(decide(rules.createGroup, { isAdmin: false })).toEqual({
      kind: 'denied',
      to: 'create groups',
      lacks: 'the administrator role',
    })
  })

  test('whoever has nothing on a project never learns that it is there', () => {
    for (const [deed, rule] of Object.entries(rules)) {
      if (rule.on !== 'project') continue
      expect(decide(rule, { isAdmin: false }).kind, deed).toBe('hidden')
    }
  })
})
