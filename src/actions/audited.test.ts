/** An act and its line in the audit log, on a real catalog: both or neither; no action is forgotten. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestCatalog, type TestCatalog } from '../../test/fixtures/test-catalog.ts'
import { Fault } from '../domain/faults.ts'
import type { Identity } from '../domain/identity.ts'
import type { IdentityUid, ProjectId, ProjectUid } from '../domain/names.ts'
import { type Project, projectDefaults } from '../domain/project.ts'
import { hours, systemClock } from '../lib/time.ts'
import type { Engine } from '../operations/engine.ts'
import type { Catalog } from '../ports/catalog.ts'
import type { Actions, Caller } from './actions.ts'
import { bySystem } from './audit-entry.ts'
import { type AuditNotes, auditNotes } from './audit-notes.ts'
import { auditTable } from './audit-table.ts'
import { audited } from './audited.ts'
import { createActions } from './create-actions.ts'
import type { Prepared } from './fleet.ts'
import type { Services } from './services.ts'

let database: TestCatalog
let catalog: Catalog
let notes: AuditNotes
let actions: Actions

const owner: Identity = {
  uid: '1' as IdentityUid,
  kind: 'USER',
  loginName: 'ann@example.com',
  displayName: 'Ann',
  isAdmin: true,
  isActive: true,
  createTime: systemClock.now(),
}
const caller: Caller = {
  identity: owner,
  userAgent: 'test',
  requestId: 'request-1',
  remoteAddress: '192.0.2.7',
  agent: 'codex',
}

beforeAll(async () => {
  database = await startTestCatalog()
  catalog = await database.open()
})
beforeEach(async () => {
  await database.sql(
    'truncate identities, projects cascade; alter table audit disable trigger all; truncate audit',
  )
  await database.sql('alter table audit enable always trigger audit_append')
  notes = auditNotes({ catalog, clock: systemClock, log: database.log })
  const policy = { maxBranchLogicalSize: 1 }
  const some = { catalog, clock: systemClock, log: database.log, auditNotes: notes, policy }
  // What these actions need of the services; the whole is tested with a server.
  actions = createActions(some as unknown as Services, {} as Prepared, {} as Engine)
  await catalog.identities.insert(owner)
})
afterAll(async () => {
  await database?.dispose()
})

const lines = async () => {
  await notes.settle()
  return database.sql('select * from audit order by seq')
}
const asServices = () => ({ catalog, auditNotes: notes })
const begun = () => bySystem('try', { resource: 'projects/app' }, systemClock.now())
const user = (name: string) =>
  ({ kind: 'USER', loginName: `${name}@example.com`, displayName: name }) as const

describe('every action', () => {
  test('is either a read or says what its line tells', () => {
    expect(Object.keys(auditTable).sort()).toEqual(Object.keys(actions).sort())
  })

  test('that is called a read begins like one', () => {
    const reads = Object.entries(auditTable).flatMap(([verb, told]) =>
      told === 'read' ? [verb] : [],
    )
    const odd = reads.filter((verb) => !/^(get|list|preview|verify|authenticate)/.test(verb))
    expect(odd).toEqual([])
  })

  test('that writes has a name in kebab-case of its own', () => {
    const names = Object.values(auditTable).flatMap((told) =>
      told === 'read' ? [] : [told.action],
    )
    expect(names.filter((name) => !/^[a-z]+(-[a-z]+)+$/.test(name))).toEqual([])
    expect(new Set(names).size).toBe(names.length)
  })
})

describe('an act', () => {
  test('and its line are one transaction', async () => {
    const made = await actions.createIdentity(caller, user('bob'))
    const [line] = await lines()
    expect(line).toMatchObject({
      action: 'create-identity',
      resource: 'identities/bob@example.com',
      resource_uid: made.uid,
      actor_name: 'ann@example.com',
      agent: 'codex',
      remote_address: '192.0.2.7',
      request_id: 'request-1',
      result: 'succeeded',
    })
    const [same] = await database.sql(
      'select a.xmin = i.xmin as same from audit a, identities i where i.uid = $1',
      [made.uid],
    )
    expect(same.same).toBe(true)
  })

  test('whose line cannot be written is not done', async () => {
    await database.sql("alter table audit add constraint no_bob check (resource not like '%bob%')")
    try {
      await expect(actions.createIdentity(caller, user('bob'))).rejects.toThrow(/no_bob/)
      expect(await catalog.identities.byLoginName('bob@example.com')).toBeUndefined()
    } finally {
      await database.sql('alter table audit drop constraint no_bob')
    }
  })

  test('that is refused inside its transaction leaves a refusal alone', async () => {
    await actions.createIdentity(caller, user('bob'))
    await expect(actions.createIdentity(caller, user('bob'))).rejects.toMatchObject({
      reason: 'IDENTITY_EXISTS',
    })
    expect(await lines()).toMatchObject([
      { result: 'succeeded' },
      { result: 'refused', reason: 'IDENTITY_EXISTS', resource: 'identities/bob@example.com' },
    ])
  })

  test('that breaks is told as failed', async () => {
    const work = async () => {
      throw new Error('a mistake of ours')
    }
    await expect(audited(asServices(), { begun: begun() }, work)).rejects.toThrow('a mistake')
    expect(await lines()).toMatchObject([{ result: 'failed', reason: 'INTERNAL', count: 1 }])
  })

  test('that writes outside of its transaction is stopped: nothing would tell of it', async () => {
    const work = ({ catalog: own }: { readonly catalog: Catalog }) =>
      own.identities.insert({ ...owner, uid: '2' as IdentityUid, loginName: 'eve@example.com' })
    await expect(audited(asServices(), { begun: begun() }, work)).rejects.toThrow(
      'writes identities.insert outside of its transaction',
    )
    expect(await catalog.identities.count()).toBe(1)
  })

  test('without anything to write is told before its answer leaves', async () => {
    const told = () => ({ details: { token_id: 't-1' } })
    const answer = await audited(asServices(), { begun: begun(), told }, async () => 'a credential')
    expect(answer).toBe('a credential')
    expect(await lines()).toMatchObject([{ result: 'succeeded', details: { token_id: 't-1' } }])
  })

  test('names the uids of what it removes', async () => {
    const made = await actions.createIdentity(caller, user('bob'))
    await actions.deleteIdentity(caller, 'USER', made.uid)
    const [, line] = await lines()
    expect(line).toMatchObject({ resource: 'identities/bob@example.com', resource_uid: made.uid })
  })

  test('on a project belongs to it, also in vain', async () => {
    const project: Project = {
      uid: 'p-1' as ProjectUid,
      projectId: 'app' as ProjectId,
      displayName: 'app',
      pgVersion: 17,
      ownerUid: owner.uid,
      historyRetention: hours(1),
      defaultBranchUid: undefined,
      endpointDefaults: projectDefaults.endpoint,
      enablePgNativeLogin: false,
      customTags: [],
      budgetPolicyId: undefined,
      createTime: systemClock.now(),
      updateTime: systemClock.now(),
      deleteTime: undefined,
      purgeTime: undefined,
    }
    await catalog.projects.insert(project)
    const grant = (name: string) =>
      actions.setAccess(caller, project.projectId, [{ name, isGroup: false, level: 'CAN_USE' }], {
        replace: false,
      })
    await grant('ann@example.com')
    await expect(grant('nobody@example.com')).rejects.toBeInstanceOf(Fault)
    await actions.updateProject(caller, { project: project.projectId }, { displayName: 'x' })
    expect(await lines()).toMatchObject([
      { action: 'set-access', project_uid: 'p-1', resource_uid: 'p-1', result: 'succeeded' },
      { action: 'set-access', project_uid: 'p-1', result: 'refused' },
      {
        action: 'update-project',
        project_uid: 'p-1',
        result: 'succeeded',
        changed: ['display_name'],
        operation: expect.stringMatching(/^projects\/app\/operations\//),
      },
    ])
  })
})

describe('notes', () => {
  test('survive a catalog that is away, and are written once', async () => {
    const failing: Catalog = {
      ...catalog,
      transaction: () => Promise.reject(new Error('the catalog is away')),
    }
    let current = failing
    const switching = new Proxy(catalog, { get: (_, key) => Reflect.get(current, key) })
    const own = auditNotes({ catalog: switching, clock: systemClock, log: database.log })
    own.note({ ...begun(), result: 'refused', reason: 'LOGIN_FAILED' })
    await expect(own.run()).rejects.toThrow('away')
    current = catalog
    await own.run()
    await own.run()
    expect(await lines()).toHaveLength(1)
  })

  test('of one error on several edges are one', async () => {
    const error = new Fault('BRANCH_EXISTS')
    notes.failed(error, begun())
    notes.failed(error, { ...begun(), action: 'request' })
    expect(await lines()).toMatchObject([{ action: 'try' }])
  })

  test('count what is still open when the server stops', async () => {
    for (let n = 0; n < 10; n += 1) {
      notes.note({ ...begun(), result: 'refused', reason: 'LOGIN_FAILED' })
    }
    await notes.settle({ isLast: true })
    expect((await lines()).map(({ count }) => count)).toEqual([1, 9])
  })
})
