/**
 * Actions for tests of the edge: they remember what they were called with and answer with samples.
 * What the verbs really do is tested with the whole server. Every exchange is compared with the API
 * document, unless a test's own answers are nothing that an action would answer.
 */
import { trafficChecker } from '../../test/fixtures/check-traffic.mjs'
import type { Actions, Caller } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import type { Identity, IdentityKind } from '../domain/identity.ts'
import type { IdentityUid } from '../domain/names.ts'
import type { OperationSubject } from '../domain/operation.ts'
import {
  adminsGroup,
  type DirectoryEntry,
  type Principal,
  usersGroup,
} from '../domain/principal.ts'
import { createLog } from '../lib/log.ts'
import { Secret } from '../lib/secret.ts'
import { type Clock, epochMs, millis } from '../lib/time.ts'
import { apiDocument, createApi } from './create-api.ts'
import {
  sampleBinding,
  sampleBranch,
  sampleDatabase,
  sampleEndpoint,
  sampleInstance,
  sampleOperation,
  samplePlans,
  sampleProject,
  sampleResetPreview,
  sampleRole,
  sampleSnapshot,
  sampleSnapshotSchedule,
  sampleTtlPolicy,
  sampleWebhook,
} from './sample-resources.fixture.ts'

export const workspaceId = '900800700600'

export const owner: Identity = {
  uid: '100' as IdentityUid,
  kind: 'USER',
  loginName: 'jane.doe@example.com',
  displayName: 'Jane Doe',
  isAdmin: true,
  isActive: true,
  createTime: epochMs(0),
}

export const robot: Identity = {
  ...owner,
  uid: '200' as IdentityUid,
  kind: 'SERVICE_PRINCIPAL',
  loginName: '0b7c1f6e-1111-4222-8333-444455556666',
  displayName: 'robot',
  isAdmin: false,
}

export const entryOf = (principal: Principal): DirectoryEntry => ({
  ...principal,
  profile: {},
  groups: [
    ...(principal.isAdmin ? [groupRef(adminsGroup, 'admins')] : []),
    groupRef(usersGroup, 'users'),
  ],
  members: [],
})

const groupRef = (uid: IdentityUid, name: string) =>
  ({ uid, kind: 'GROUP', loginName: name, displayName: name }) as const

export const team: DirectoryEntry = {
  ...owner,
  uid: '300' as IdentityUid,
  kind: 'GROUP',
  loginName: 'team',
  displayName: 'team',
  isAdmin: false,
  profile: {},
  groups: [],
  members: [owner, robot],
}

export interface Recorded {
  readonly verb: string
  readonly input: readonly unknown[]
}

type Answers = Partial<Record<keyof Actions, (...input: readonly unknown[]) => unknown>>

const checker = trafficChecker(apiDocument('0'))

const stoppedClock: Clock = {
  now: () => epochMs(1_800_000_000_000),
  monotonic: () => millis(0),
  sleep: () => Promise.resolve(),
}

const accessToken = {
  tokenId: 'token-1',
  identityUid: robot.uid,
  comment: 'laptop',
  createTime: epochMs(1_800_000_000_000),
  expireTime: epochMs(1_800_000_060_000),
  createdBy: owner.uid,
  createdByName: owner.loginName,
  lastUsedTime: epochMs(1_800_000_030_000),
}

const clientSecret = {
  secretId: 'secret-1',
  hash: 'a hash that is longer than this',
  identityUid: robot.uid,
  createTime: epochMs(1_800_000_000_000),
  expireTime: epochMs(1_800_000_060_000),
  lastUsedTime: undefined,
  isExpired: false,
}

const ofKind = (kind: unknown) => entryOf(kind === 'USER' ? owner : robot)

const subjectOf = (resource: string): OperationSubject => {
  if (resource.includes('/endpoints/')) return 'Endpoint'
  if (resource.includes('/roles/')) return 'Role'
  if (resource.includes('/databases/')) return 'Database'
  if (resource.endsWith('backups')) return 'Backup'
  if (resource.endsWith('/snapshot-schedule')) return 'SnapshotSchedule'
  if (resource.includes('/snapshots/')) return 'Snapshot'
  return resource.includes('/branches/') ? 'Branch' : 'Project'
}

/** An API over recording actions; `answers` replaces what a verb answers, or throws. */
export function recordedApi(answers: Answers = {}) {
  const calls: Recorded[] = []
  const lines: Record<string, unknown>[] = []
  const log = createLog('test')
  log.level = 'debug'
  const remember =
    (level: string) =>
    (fields: Record<string, unknown>, text: string): void => {
      lines.push({ ...fields, level, text })
    }
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    Object.defineProperty(log, level, { value: remember(level) })
  }

  const defaults: Answers = {
    getProject: () => sampleProject,
    getBranch: () => sampleBranch,
    getEndpoint: () => sampleEndpoint,
    createProject: () => sampleOperation('Project', sampleProject),
    updateProject: () => sampleOperation('Project', sampleProject),
    deleteProject: () => sampleOperation('Project'),
    undeleteProject: () => sampleOperation('Project', sampleProject),
    createBranch: () => sampleOperation('Branch', sampleBranch),
    updateBranch: () => sampleOperation('Branch', sampleBranch),
    deleteBranch: () => sampleOperation('Branch'),
    undeleteBranch: () => sampleOperation('Branch', sampleBranch),
    resetBranch: () => sampleOperation('Branch'),
    previewReset: () => sampleResetPreview,
    restoreBranch: () => sampleOperation('Branch'),
    previewRestore: () => sampleResetPreview,
    getTtlPolicy: () => sampleTtlPolicy,
    setTtlPolicy: () => sampleTtlPolicy,
    createWebhook: () => ({ webhook: sampleWebhook, secret: new Secret('whsec_once') }),
    listWebhooks: () => [sampleWebhook],
    deleteWebhook: () => undefined,
    bindBranch: () => sampleBinding,
    listBindings: () => ({ items: [sampleBinding], nextPageToken: undefined }),
    noteFindings: () => samplePlans,
    previewFindings: () => samplePlans,
    collectBranch: () => sampleOperation('Branch'),
    importBranch: () => sampleOperation('Branch', sampleBranch),
    exportBranch: () => ({ fileName: 'app-dev.tar', chunks: oneChunk() }),
    createEndpoint: () => sampleOperation('Endpoint', sampleEndpoint),
    updateEndpoint: () => sampleOperation('Endpoint', sampleEndpoint),
    deleteEndpoint: () => sampleOperation('Endpoint'),
    getRole: () => sampleRole,
    createRole: () => sampleOperation('Role', sampleRole),
    updateRole: () => sampleOperation('Role', sampleRole),
    deleteRole: () => sampleOperation('Role'),
    renewRolePassword: () => ({ postgresRole: 'app', password: new Secret('shown once') }),
    getDatabase: () => sampleDatabase,
    createDatabase: () => sampleOperation('Database', sampleDatabase),
    updateDatabase: () => sampleOperation('Database', sampleDatabase),
    deleteDatabase: () => sampleOperation('Database'),
    listRoles: () => ({ items: [sampleRole], nextPageToken: undefined }),
    listDatabases: () => ({ items: [sampleDatabase], nextPageToken: undefined }),
    listProjects: () => ({ items: [], nextPageToken: undefined }),
    listBranches: () => ({ items: [], nextPageToken: undefined }),
    listEndpoints: () => ({ items: [], nextPageToken: undefined }),
    createSnapshot: () => sampleOperation('Snapshot', sampleSnapshot),
    getSnapshot: () => sampleSnapshot,
    listSnapshots: () => ({ items: [sampleSnapshot], nextPageToken: undefined }),
    deleteSnapshot: () => sampleOperation('Snapshot'),
    getSnapshotSchedule: () => sampleSnapshotSchedule,
    updateSnapshotSchedule: () => ({
      operation: sampleOperation('SnapshotSchedule', sampleSnapshotSchedule),
      schedule: sampleSnapshotSchedule,
    }),
    listComputeInstances: () => ({ items: [sampleInstance], nextPageToken: undefined }),
    getComputeInstance: () => sampleInstance,
    createCredential: () => ({
      token: new Secret('header.payload.signature'),
      tokenId: 'credential-1',
      expireTime: epochMs(1_800_003_600_000),
    }),
    createIdentity: (input) => ofKind((input as { readonly kind: IdentityKind }).kind),
    updateIdentity: (kind) => ofKind(kind),
    cancelOperation: (resource) => sampleOperation(subjectOf(String(resource))),
    getOperation: (resource) => sampleOperation(subjectOf(String(resource))),
    deleteIdentity: (kind) => ofKind(kind),
    createGroup: () => team,
    getGroup: () => team,
    listGroups: () => [team],
    updateGroup: () => team,
    deleteGroup: () => team,
    createAccessToken: () => ({ ...accessToken, token: new Secret('dapi-secret') }),
    listAccessTokens: () => [accessToken],
    getAccessToken: () => accessToken,
    deleteAccessToken: () => undefined,
    createClientSecret: () => ({ ...clientSecret, secret: new Secret('dose-secret') }),
    listClientSecrets: () => [clientSecret],
    deleteClientSecret: () => undefined,
    getAccess: () => [{ principal: owner, level: 'CAN_MANAGE' }],
    setAccess: () => [
      { principal: owner, level: 'CAN_MANAGE' },
      { principal: robot, level: 'CAN_USE' },
    ],
  }
  const actions = new Proxy({} as Actions, {
    get:
      (_, verb: keyof Actions) =>
      async (first: unknown, ...input: unknown[]) => {
        if (verb === 'authenticate') {
          if (answers.authenticate !== undefined) return answers.authenticate()
          if (first instanceof Secret && first.reveal() === 'good') return owner
          throw new Fault('UNAUTHENTICATED', { problem: 'it is unknown or has ended' })
        }
        calls.push({ verb, input })
        if (answers[verb] === undefined) {
          if (verb === 'getMe') return entryOf((first as Caller).identity)
          const known = [owner, robot].filter(({ kind }) => kind === (input[0] as IdentityKind))
          if (verb === 'listIdentities') return known.map(entryOf)
          if (verb === 'getIdentity') {
            const found = known.find(({ uid }) => uid === input[1])
            if (found === undefined)
              throw new Fault('IDENTITY_NOT_FOUND', { name: String(input[1]) })
            return entryOf(found)
          }
        }
        const answer = answers[verb] ?? defaults[verb]
        if (answer === undefined) throw new Error(`no sample of what ${verb} answers`)
        return answer(...input)
      },
  })

  const problems: string[] = []
  const app = createApi({
    actions,
    keepExchange: (exchange) => problems.push(...checker.check(exchange)),
    workspaceId,
    status: async () => ({ version: '0.1.0' }),
    apiUrl: () => 'http://127.0.0.1:8080',
    log,
    version: '0.1.0',
    clock: stoppedClock,
  })

  /** Sends with a good token unless told otherwise; a body that is no string is sent as JSON. */
  async function send(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ) {
    const hasBody = body !== undefined
    const response = await app.fetch(
      new Request(`http://localhost${path}`, {
        method,
        headers: {
          authorization: 'Bearer good',
          ...(hasBody ? { 'content-type': 'application/json' } : {}),
          ...headers,
        },
        ...(hasBody
          ? {
              body:
                typeof body === 'string' || body instanceof Uint8Array
                  ? (body as string)
                  : JSON.stringify(body),
            }
          : {}),
      }),
    )
    const text = await response.text()
    if (problems.length > 0) throw new Error(problems.splice(0).join('\n'))
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: (text === '' ? undefined : JSON.parse(text)) as unknown,
    }
  }

  /** The inputs of the one action that a good request led to. */
  async function inputsOf(method: string, path: string, body?: unknown) {
    calls.length = 0
    const answer = await send(method, path, body)
    const [call] = calls
    if (call === undefined || calls.length > 1 || answer.status >= 300) {
      throw new Error(`${method} ${path} led to ${calls.length} calls and ${answer.text}`)
    }
    return call.input
  }

  /** Code and message of a refusal; nothing but reads may have been called. */
  async function refusalOf(method: string, path: string, body?: unknown) {
    calls.length = 0
    const { status, json } = await send(method, path, body)
    const { error_code, message } = json as { error_code?: string; message?: string }
    const isDone = calls.some(({ verb }) => !/^(get|list)/.test(verb))
    if (isDone || status < 400) throw new Error(`${method} ${path} was not refused`)
    return { status, code: error_code, message: message ?? '' }
  }
  return { app, calls, lines, send, inputsOf, refusalOf }
}

async function* oneChunk(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1024)
}
