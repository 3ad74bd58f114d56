/** Principals, groups, tokens and secrets as rows of a real Postgres. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Fault } from '../../src/domain/faults.ts'
import type { IdentityUid, ProjectId, ProjectUid } from '../../src/domain/names.ts'
import {
  adminsGroup,
  type Principal,
  type PrincipalKind,
  usersGroup,
} from '../../src/domain/principal.ts'
import { projectDefaults } from '../../src/domain/project.ts'
import { epochMs, hours } from '../../src/lib/time.ts'
import type { Catalog } from '../../src/ports/catalog.ts'
import { startTestCatalog, type TestCatalog } from '../fixtures/test-catalog.ts'

let database: TestCatalog
let catalog: Catalog
const now = epochMs(Date.UTC(2026, 0, 1))
const later = epochMs(now + hours(2))

const uid = (name: string) => name as IdentityUid
const store = 'p-store' as ProjectUid

async function make(name: string, kind: PrincipalKind = 'USER', more: Partial<Principal> = {}) {
  const principal: Principal = {
    uid: uid(name),
    kind,
    loginName: name,
    displayName: name.toUpperCase(),
    isAdmin: false,
    isActive: true,
    createTime: now,
    ...more,
  }
  await catalog.transaction((session) => session.directory.insert(principal, {}))
  return principal
}

beforeAll(async () => {
  database = await startTestCatalog()
  catalog = await database.open()
})
beforeEach(async () => {
  await database.sql('truncate projects cascade')
  await database.sql(`delete from identities where uid not in ($1, $2)`, [adminsGroup, usersGroup])
})
afterAll(async () => {
  await database?.dispose()
})

describe('principals', () => {
  test('the two built-in groups are there from the start', async () => {
    const groups = await catalog.directory.list('GROUP')
    expect(groups.map(({ uid, loginName }) => [uid, loginName])).toEqual([
      [adminsGroup, 'admins'],
      [usersGroup, 'users'],
    ])
    expect(await catalog.identities.count()).toBe(0)
    expect(await catalog.identities.byUid(adminsGroup)).toBeUndefined()
    expect(await catalog.identities.byLoginName('users')).toBeUndefined()
  })

  test('one name is one principal, whatever its kind', async () => {
    await make('data')
    const twin = make('data', 'GROUP', { uid: uid('other') })
    await expect(twin).rejects.toSatisfy(
      (error: unknown) => error instanceof Fault && error.reason === 'IDENTITY_EXISTS',
    )
    expect((await catalog.directory.byName('DATA'))?.uid).toBe('data')
    await make('DATA') // who has been there since case counted
    expect((await catalog.directory.byName('DATA'))?.uid).toBe('DATA')
    expect((await catalog.directory.byName('data'))?.uid).toBe('data')
  })

  test('keep their profile, and change field by field', async () => {
    await make('ann')
    const profile = { externalId: 'x', entitlements: ['workspace-access'], givenName: 'Änn' }
    await catalog.directory.update(uid('ann'), { profile })
    await catalog.directory.update(uid('ann'), { isActive: false })
    await catalog.directory.update(uid('ann'), {})
    expect(await catalog.directory.byUid(uid('ann'))).toMatchObject({
      displayName: 'ANN',
      isActive: false,
      profile,
    })
  })

  test('know their groups, and groups their members', async () => {
    await make('ann', 'USER', { isAdmin: true })
    await make('bot', 'SERVICE_PRINCIPAL')
    await make('team', 'GROUP')
    await make('all-teams', 'GROUP')
    await catalog.directory.addMembers(uid('team'), [uid('bot'), uid('ann')])
    await catalog.directory.addMembers(uid('team'), [uid('bot')])
    await catalog.directory.addMembers(uid('all-teams'), [uid('team')])

    const names = (refs: readonly { readonly loginName: string }[] = []) =>
      refs.map(({ loginName }) => loginName)
    const ann = await catalog.directory.byUid(uid('ann'))
    expect(names(ann?.groups)).toEqual(['admins', 'team', 'users'])
    const groups = await catalog.directory.list('GROUP')
    expect(groups.map((group) => [group.loginName, names(group.members)])).toEqual([
      ['admins', ['ann']],
      ['all-teams', ['team']],
      ['team', ['ann', 'bot']],
      ['users', ['ann', 'bot']],
    ])
    expect([...(await catalog.directory.principalsOf(uid('bot')))].sort()).toEqual(
      [usersGroup, 'all-teams', 'bot', 'team'].sort(),
    )
    expect(names(await catalog.directory.identitiesIn(uid('all-teams')))).toEqual(['ann', 'bot'])

    await catalog.directory.removeMembers(uid('team'), [uid('bot')])
    expect(names((await catalog.directory.byUid(uid('team')))?.members)).toEqual(['ann'])
    await catalog.directory.remove(uid('team'))
    expect(names((await catalog.directory.byUid(uid('all-teams')))?.members)).toEqual([])
  })

  test('groups in a circle are walked once', async () => {
    await make('ann')
    await make('one', 'GROUP')
    await make('two', 'GROUP')
    await catalog.directory.addMembers(uid('one'), [uid('two'), uid('ann')])
    await catalog.directory.addMembers(uid('two'), [uid('one')])
    expect((await catalog.directory.principalsOf(uid('ann'))).length).toBe(4)
  })
})

describe('levels', () => {
  beforeEach(async () => {
    await catalog.projects.insert({
      uid: store,
      projectId: 'store' as ProjectId,
      displayName: 'store',
      pgVersion: 17,
      ownerUid: uid('ann'),
      historyRetention: hours(1),
      defaultBranchUid: undefined,
      endpointDefaults: projectDefaults.endpoint,
      enablePgNativeLogin: false,
      customTags: [],
      budgetPolicyId: undefined,
      createTime: now,
      updateTime: now,
      deleteTime: undefined,
      purgeTime: undefined,
    })
    await make('ann')
    await make('team', 'GROUP')
    await make('all-teams', 'GROUP')
    await catalog.directory.addMembers(uid('all-teams'), [uid('team')])
    await catalog.directory.addMembers(uid('team'), [uid('ann')])
  })
  const levelOf = () => catalog.permissions.levelOf(store, uid('ann'))
  const sees = async () =>
    (
      await catalog.projects.list({
        after: undefined,
        limit: 10,
        visibleTo: uid('ann'),
        showDeleted: false,
      })
    ).length

  test('the highest of its own and its groups', async () => {
    expect([await levelOf(), await sees()]).toEqual([undefined, 0])
    await catalog.permissions.set(store, usersGroup, 'CAN_USE')
    expect([await levelOf(), await sees()]).toEqual(['CAN_USE', 1])
    await catalog.permissions.set(store, uid('all-teams'), 'CAN_MANAGE')
    await catalog.permissions.set(store, uid('ann'), 'CAN_BRANCH')
    expect([await levelOf(), await sees()]).toEqual(['CAN_MANAGE', 1])
    await catalog.directory.removeMembers(uid('team'), [uid('ann')])
    expect(await levelOf()).toBe('CAN_BRANCH')
  })

  test('entries go with their principal', async () => {
    await catalog.permissions.set(store, uid('team'), 'CAN_MANAGE')
    expect(await catalog.permissions.list(store)).toMatchObject([
      { principal: { kind: 'GROUP', loginName: 'team' }, level: 'CAN_MANAGE' },
    ])
    await catalog.directory.remove(uid('team'))
    expect(await catalog.permissions.list(store)).toEqual([])
    expect(await levelOf()).toBeUndefined()
  })
})

describe('tokens and secrets', () => {
  test('a token is found by its hash while it lasts and its owner is active', async () => {
    await make('ann')
    await catalog.accessTokens.insert({
      tokenId: 't1',
      hash: 'h1',
      identityUid: uid('ann'),
      comment: 'laptop',
      createTime: now,
      expireTime: later,
      createdBy: uid('boss'),
    })
    const found = await catalog.accessTokens.find('h1', now)
    expect(found?.identity).toMatchObject({ uid: 'ann', isActive: true, createTime: now })
    expect(found?.token).toEqual({
      tokenId: 't1',
      identityUid: 'ann',
      comment: 'laptop',
      createTime: now,
      expireTime: later,
      createdBy: 'boss',
      createdByName: undefined,
      lastUsedTime: undefined,
    })
    expect(await catalog.accessTokens.find('h1', later)).toBeUndefined()
    await catalog.accessTokens.noteUse('t1', later)
    expect((await catalog.accessTokens.byId('t1'))?.lastUsedTime).toBe(later)
    await catalog.directory.update(uid('ann'), { isActive: false })
    expect(await catalog.accessTokens.find('h1', now)).toBeUndefined()
    expect((await catalog.accessTokens.list(uid('ann'))).length).toBe(1)
    expect((await catalog.accessTokens.list(undefined)).length).toBe(1)
    await catalog.directory.remove(uid('ann'))
    expect(await catalog.accessTokens.byId('t1')).toBeUndefined()
  })

  test('a secret is of one service principal, several side by side', async () => {
    await make('bot', 'SERVICE_PRINCIPAL')
    await make('ann')
    const insert = (secretId: string, owner: string, expireTime = later) =>
      catalog.clientSecrets.insert({
        secretId,
        hash: `hash ${secretId}`,
        identityUid: uid(owner),
        createTime: now,
        expireTime,
      })
    await insert('s1', 'bot')
    await insert('s2', 'bot')
    await insert('s3', 'ann')
    const find = (client: string, secret: string, at = now) =>
      catalog.clientSecrets.find(client, `hash ${secret}`, at)
    expect((await find('bot', 's2'))?.secret.secretId).toBe('s2')
    expect((await find('bot', 's1'))?.identity.uid).toBe('bot')
    expect(await find('bot', 's3')).toBeUndefined()
    expect(await find('ann', 's3')).toBeUndefined() // a user has no secrets
    expect(await find('bot', 's1', later)).toBeUndefined()
    expect(await catalog.clientSecrets.remove(uid('ann'), 's1')).toBe(false)
    expect(await catalog.clientSecrets.remove(uid('bot'), 's1')).toBe(true)
    expect(await find('bot', 's1')).toBeUndefined()
    expect((await catalog.clientSecrets.list(uid('bot'))).map((s) => s.secretId)).toEqual(['s2'])
  })
})
