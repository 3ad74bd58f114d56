/** Branches: every way to create one, masks, protection, delete, undelete, purge. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { eventually } from '../../fixtures/server.ts'
import {
  ask,
  branchKeys,
  childStatusKeys,
  empty,
  expectOperation,
  expectRefusal,
  keysOf,
  lsn,
  managedByParent,
  notFound,
  production,
  type Refusal,
  type ServerOf,
  store,
  timestamp,
} from './shapes.ts'

const branches = `${store}/branches`
const hours = (n: number) => n * 3_600_000

const invalid = (message: string | RegExp): Refusal => ({
  status: 400,
  code: 'INVALID_PARAMETER_VALUE',
  message,
})

export const branchContract = (server: ServerOf) =>
  describe('branches', () => {
    const create = (id: string, body: object) =>
      ask(server()).post(`${branches}?branch_id=${id}`, body)
    const make = (id: string, spec: object) =>
      server().write('POST', `${branches}?branch_id=${id}`, { spec })
    const purge = (id: string) => server().write('DELETE', `${branches}/${id}?purge=true`)
    const patch = (id: string, mask: string, spec: object) =>
      ask(server()).patch(`${branches}/${id}?update_mask=${mask}`, { spec })

    afterAll(async () => {
      // What a failed test left: children before their parents.
      for (const id of ['dev-child', 'dev', 'of-safe']) {
        await server().api('DELETE', `/api/2.0/postgres/${branches}/${id}?purge=true`)
      }
    })

    test('contract 1.9, 3.1, rows 2 and 3: a branch without a source is one of the default branch', async () => {
      const { read } = ask(server())
      const started = await create('dev', { spec: { no_expiry: true } })
      const name = expectOperation(started, `${branches}/dev`, 'Branch')
      const made = await server().follow(name)
      expect(keysOf(made)).toEqual(branchKeys)
      expect(keysOf(made.status)).toEqual(childStatusKeys)
      expect(made).toMatchObject({
        name: `${branches}/dev`,
        branch_id: 'dev',
        parent: store,
        status: {
          branch_id: 'dev',
          current_state: 'READY',
          default: false,
          is_protected: false,
          source_branch: production,
        },
      })
      expect(made.uid).toMatch(/^br-[a-z]+-[a-z]+-[a-z0-9]{8}$/)
      expect(made.status.source_branch_lsn).toMatch(lsn)
      expect(made.status.source_branch_lsn).not.toBe('0/0')
      expect(made.status.source_branch_time).toMatch(timestamp)
      expect(made.status.state_change_time).toMatch(timestamp)
      expect(made.status.logical_size_bytes).toBeGreaterThan(1_000_000)
      expect(await read(`${branches}/dev`)).toEqual(made)
      const { endpoints } = await read(`${branches}/dev/endpoints`)
      expect(endpoints).toHaveLength(1)
      expect(endpoints[0].status).toMatchObject({ endpoint_id: 'primary', current_state: 'ACTIVE' })
    })

    test('contract 10: every form of an end and of a source that clients send is understood', async () => {
      const at = new Date(Date.now() + hours(6)).toISOString()
      const forms: Record<string, object> = {
        string: { spec: { ttl: '21600s' } },
        fraction: { spec: { ttl: '21600.5s' } },
        object: { spec: { ttl: { seconds: 21_600, nanos: 0 } } },
        digits: { spec: { ttl: { seconds: '21600' } } },
        number: { spec: { ttl: 21_600 } },
        human: { spec: { ttl: '6h' } },
        moment: { spec: { expire_time: at } },
        mission: { spec: { source_branch_id: 'dev', ttl: { seconds: 21_600 } } },
        bare: { spec: { source_branch: 'dev', ttl: '21600s' } },
        full: { spec: { source_branch: `${branches}/dev`, ttl: '21600s' } },
        wrapped: { branch: { spec: { source_branch: 'dev', ttl: '21600s' } } },
        camel: { spec: { sourceBranch: `${branches}/dev`, expireTime: at } },
        never: {
          name: 'x',
          parent: 'y',
          spec: { noExpiry: true, isProtected: false, colour: 'red' },
        },
      }
      const fromDev = ['mission', 'bare', 'full', 'wrapped', 'camel']
      const made = await Promise.all(
        Object.entries(forms).map(async ([form, body]) => {
          const { body: operation, status } = await create(`form-${form}`, body)
          expect(status, `${form}: ${JSON.stringify(operation)}`).toBe(200)
          return [form, await server().follow(operation.name)] as const
        }),
      )
      for (const [form, branch] of made) {
        const length = Date.parse(branch.status.expire_time) - Date.parse(branch.create_time)
        if (form === 'never') expect(branch.status).not.toHaveProperty('expire_time')
        else if (form === 'moment' || form === 'camel') expect(branch.status.expire_time).toBe(at)
        else expect(length, form).toBe(hours(6) + (form === 'fraction' ? 500 : 0))
        expect(branch.status.source_branch, form).toBe(
          fromDev.includes(form) ? `${branches}/dev` : production,
        )
      }
      await Promise.all(made.map(([form]) => purge(`form-${form}`)))
    })

    test('contract 3.1, 7.2, row 30: an end that is missing, doubled, passed or too far is refused', async () => {
      const required = invalid('Expiration must be specified when creating a branch')
      for (const body of [
        {},
        { spec: {} },
        { spec: { source_branch: 'dev' } },
        { spec: { ttl: null } },
      ])
        expectRefusal(await create('none', body), required)
      const tooFar = invalid(
        /^expiration time exceeds the maximum expiration time \[TraceId: [0-9a-f]{32}\]$/,
      )
      for (const spec of [
        { ttl: '2592001s' },
        { ttl: '31d' },
        { expire_time: new Date(Date.now() + 31 * 86_400_000).toISOString() },
      ])
        expectRefusal(await create('none', { spec }), tooFar)
      for (const [spec, message] of [
        [{ ttl: '60s', no_expiry: true }, /^Only one of ttl, expire_time and no_expiry/],
        [{ ttl: '60s', expire_time: '2030-01-01T00:00:00Z' }, /^Only one of/],
        [{ no_expiry: false }, /no_expiry: false/],
        [{ ttl: '0s' }, /not above 0/],
        [{ expire_time: '2020-01-01T00:00:00Z' }, /not in the future/],
      ] as const)
        expectRefusal(await create('none', { spec }), invalid(message))
      expectRefusal(await ask(server()).get(`${branches}/none`), notFound('branch'))
    })

    test('contract 3.1: a source must be a branch of this project', async () => {
      const spec = (source: string) => ({ spec: { source_branch: source, ttl: '60s' } })
      expectRefusal(
        await create('none', spec('projects/other/branches/production')),
        invalid('source_branch field must point to the branch from the same Project'),
      )
      expectRefusal(await create('none', spec(`${branches}/absent`)), notFound('branch'))
      const dev = await ask(server()).read(`${branches}/dev`)
      expectRefusal(await create('none', spec(dev.uid)), notFound('branch'))
    })

    test('contract 1.4, 7.2, row 28: ids that are empty, bad or taken; a uid is no id', async () => {
      const { post, get, read } = ask(server())
      const spec = { no_expiry: true }
      expectRefusal(
        await post(branches, { spec }),
        invalid(`Field 'branch_id' is required, expected non-default value (not "")!`),
      )
      expectRefusal(await create('Dev', { spec }), invalid(/^Field branch_id must match pattern/))
      const taken: Refusal = {
        status: 409,
        code: 'ALREADY_EXISTS',
        message: 'branch with such id already exists',
      }
      expectRefusal(await create('dev', { spec }), taken)
      expectRefusal(await create('dev', {}), taken) // existence before body
      const { uid } = await read(`${branches}/dev`)
      expectRefusal(await get(`${branches}/${uid}`), notFound('branch'))
    })

    test('contract 3.2, 1.6: the end is changed by its group or by any member', async () => {
      const { read } = ask(server())
      const before = await read(`${branches}/dev`)
      const born = Date.parse(before.create_time)
      for (const mask of ['spec.expiration', 'spec.ttl', 'spec', '*', '']) {
        const end = await server().write('PATCH', `${branches}/dev?update_mask=${mask}`, {
          spec: { ttl: '7200s' },
        })
        // A ttl counts from creation, also here.
        expect(Date.parse(end.status.expire_time) - born, mask).toBe(hours(2))
        const never = await server().write('PATCH', `${branches}/dev?update_mask=${mask}`, {
          spec: { no_expiry: true },
        })
        expect(never.status).not.toHaveProperty('expire_time')
      }
      const at = new Date(Date.now() + hours(3)).toISOString()
      const moment = await server().write('PATCH', `${branches}/dev?update_mask=spec.expire_time`, {
        spec: { expire_time: at, is_protected: true },
      })
      expect(moment.status).toMatchObject({ expire_time: at, is_protected: false })
      expect(Date.parse(moment.update_time)).toBeGreaterThan(Date.parse(before.update_time))
      expect(moment).toMatchObject({ uid: before.uid, create_time: before.create_time })
      expectRefusal(
        await patch('dev', 'spec.expiration', { ttl: '2592060s', expire_time: null }),
        invalid(/^expiration time exceeds/),
      )
      // It has an end now: neither protected nor the default until that goes.
      const expires = (kind: string): Refusal => ({
        status: 400,
        code: 'BAD_REQUEST',
        message: new RegExp(`^A branch with an expiration cannot become ${kind}\\.`),
      })
      expectRefusal(
        await patch('dev', 'spec.is_protected', { is_protected: true }),
        expires('protected'),
      )
      expectRefusal(
        await ask(server()).patch(`${store}?update_mask=spec.default_branch`, {
          spec: { default_branch: `${branches}/dev` },
        }),
        expires('the default'),
      )
      await server().write('PATCH', `${branches}/dev?update_mask=spec.expiration`, {
        spec: { no_expiry: true },
      })
    })

    test('contract 1.6, row 15: masks name fields that may change and that the body holds', async () => {
      expectRefusal(
        await patch('dev', 'spec.colour', { colour: 'red' }),
        invalid('Unknown field path in update_mask'),
      )
      expectRefusal(
        await patch('dev', 'spec.is_protected', { no_expiry: true }),
        invalid(/^update_mask names 'spec.is_protected', but the request body does not hold it/),
      )
      for (const field of ['source_branch', 'source_branch_lsn', 'source_branch_time'])
        expectRefusal(
          await patch('dev', `spec.${field}`, { [field]: '0/1' }),
          invalid(new RegExp(`^Field 'spec.${field}' cannot be changed after creation`)),
        )
    })

    test('contract 3.1: replace_existing updates what is there and keeps whose child it is', async () => {
      const { read, post } = ask(server())
      const before = await read(`${branches}/dev`)
      const replace = (spec: object) =>
        post(`${branches}?branch_id=dev&replace_existing=true`, { spec })
      const reply = await replace({ ttl: '7200s', source_branch: production })
      const name = expectOperation(reply, `${branches}/dev`, 'Branch')
      const after = await server().follow(name)
      expect(after).toMatchObject({ uid: before.uid, create_time: before.create_time })
      expect(Date.parse(after.status.expire_time) - Date.parse(after.create_time)).toBe(hours(2))
      expect(after.status.source_branch_lsn).toBe(before.status.source_branch_lsn)
      await server().follow((await replace({ no_expiry: true })).body.name)
      expectRefusal(
        await replace({ no_expiry: true, source_branch: 'dev' }),
        invalid(/^Field 'spec.source_branch' cannot be changed after creation/),
      )
      // Terraform and bundles adopt the branch that came with the project this way (contract 1.13).
      const root = await read(production)
      const adopted = await server().write(
        'POST',
        `${branches}?branch_id=production&replace_existing=true`,
        { spec: { no_expiry: true, is_protected: false } },
      )
      expect({ ...adopted, update_time: 0 }).toEqual({ ...root, update_time: 0 })
    })

    test('contract 3.3, 7.4, row 17: the root branch goes with its project, and does not expire', async () => {
      const { remove } = ask(server())
      const reply = await remove(`${production}?purge=true`)
      expectRefusal(reply, {
        status: 400,
        code: 'BAD_REQUEST',
        message: "Cannot delete root branch 'production'. It is deleted with its project.",
      })
      expect(reply.body.details[0]).toEqual(managedByParent)
      expectRefusal(await patch('production', 'spec.expiration', { ttl: '2591000s' }), {
        status: 400,
        code: 'BAD_REQUEST',
        message: /^A default branch cannot have an expiration\./,
      })
    })

    test('contract 3.3: a default branch stays until another one is it', async () => {
      const { remove, read } = ask(server())
      const changed = await server().write('PATCH', `${store}?update_mask=spec.default_branch`, {
        spec: { default_branch: `${branches}/dev` },
      })
      expect(changed.status.default_branch).toBe(`${branches}/dev`)
      expect((await read(`${branches}/dev`)).status.default).toBe(true)
      expect((await read(production)).status.default).toBe(false)
      expectRefusal(await remove(`${branches}/dev`), {
        status: 400,
        code: 'BAD_REQUEST',
        message: /^cannot delete the default branch/,
      })
      await server().write('PATCH', `${store}?update_mask=spec.default_branch`, {
        spec: { default_branch: production },
      })
    })

    test('contract 3.3: a branch with children stays; one that ends may have some', async () => {
      const { remove } = ask(server())
      await server().write('PATCH', `${branches}/dev?update_mask=spec.ttl`, {
        spec: { ttl: '7200s' },
      })
      // The service refuses children of expiring branches; here only `contract = strict` does.
      await make('dev-child', { ttl: '3600s', source_branch: 'dev' })
      expectRefusal(await remove(`${branches}/dev`), {
        status: 400,
        code: 'BAD_REQUEST',
        message: /^cannot delete a branch with child branches: dev-child/,
      })
      await purge('dev-child')
      await server().write('PATCH', `${branches}/dev?update_mask=spec.expiration`, {
        spec: { no_expiry: true },
      })
    })

    test('contract 3.6, row 21: delete hides, the id is free, undelete brings back without an end', async () => {
      const { remove, get, read, post } = ask(server())
      const first = await make('again', { ttl: '3600s' })
      await server().sql(first.name, 'create table here (n int)')
      const name = expectOperation(await remove(first.name), first.name, 'Branch')
      expectRefusal(await get(first.name), notFound('branch')) // at once
      expect(await server().follow(name)).toEqual(empty)
      expectRefusal(await get(`${first.name}/endpoints/primary`), notFound('branch'))
      expectRefusal(await remove(first.name), notFound('branch'))
      const deleted = async () =>
        (await read(`${branches}?show_deleted=true`)).branches.filter(
          (branch: { branch_id: string }) => branch.branch_id === 'again',
        )
      const [shown] = await deleted()
      expect(shown.uid).toBe(first.uid)
      expect(shown.status).toMatchObject({ current_state: 'DELETED' })
      expect(shown.status.delete_time).toMatch(timestamp)
      expect(Date.parse(shown.status.purge_time)).toBeGreaterThan(Date.now() + 6 * 86_400_000)
      const visible = (await read(branches)).branches
      expect(visible.map((branch: { uid: string }) => branch.uid)).not.toContain(first.uid)

      const second = await make('again', { ttl: '3600s' })
      expect(second.uid).not.toBe(first.uid)
      expect(await deleted()).toHaveLength(2)
      expectRefusal(await post(`${first.name}/undelete`), {
        status: 409,
        code: 'ALREADY_EXISTS',
        message: 'branch with such id already exists',
      })
      await purge('again')
      const undelete = expectOperation(await post(`${first.name}/undelete`), first.name, 'Branch')
      const back = await server().follow(undelete)
      expect(keysOf(back.status)).toEqual(childStatusKeys) // no end, no times of deletion
      expect(back).toMatchObject({ uid: first.uid, status: { current_state: 'READY' } })
      expect((await server().sql(back.name, 'select count(*)::int as n from here')).rows).toEqual([
        { n: 0 },
      ])
      expectRefusal(await post(`${first.name}/undelete`), {
        status: 400,
        code: 'INVALID_STATE',
        message: /^The branch is not deleted\./,
      })
      // A purge after a delete: nothing is left to show or to bring back.
      await server().write('DELETE', first.name)
      expect(await purge('again')).toEqual(empty)
      expect(await deleted()).toEqual([])
      expectRefusal(await post(`${first.name}/undelete`), notFound('branch'))
      expectRefusal(await remove(`${first.name}?purge=true`), notFound('branch'))
      expect(await server().write('DELETE', `${first.name}?allow_missing=true`)).toEqual(empty)
    })

    test('contract 1.5: branches are listed by id, page by page', async () => {
      const { read } = ask(server())
      const whole = (await read(branches)).branches.map(
        (branch: { branch_id: string }) => branch.branch_id,
      )
      expect(whole).toEqual(['dev', 'production'])
      const first = await read(`${branches}?page_size=1`)
      const second = await read(`${branches}?page_size=1&page_token=${first.next_page_token}`)
      expect(first.branches[0].branch_id).toBe('dev')
      expect(second.branches[0].branch_id).toBe('production')
      expect(keysOf(second)).toEqual(['branches'])
    })

    test('contract 3.5, row 21: a protected branch stays until its protection is cleared', async () => {
      const { remove } = ask(server())
      await server().write('PATCH', `${branches}/dev?update_mask=spec.is_protected`, {
        spec: { is_protected: true },
      })
      expectRefusal(await remove(`${branches}/dev?purge=true`), {
        status: 400,
        code: 'BAD_REQUEST',
        message: 'cannot delete protected branch',
      })
      expectRefusal(await patch('dev', 'spec.expiration', { ttl: '3600s' }), {
        status: 400,
        code: 'BAD_REQUEST',
        message: /^A protected branch cannot have an expiration\./,
      })
      expectRefusal(await create('second', { spec: { no_expiry: true, is_protected: true } }), {
        status: 400,
        code: 'BAD_REQUEST',
        message: /^Project already has the protected branch 'dev'\./,
      })
      // Bundles send the full spec beside the leaf.
      const cleared = await server().write(
        'PATCH',
        `${branches}/dev?update_mask=spec.is_protected`,
        {
          spec: { is_protected: false, no_expiry: true, source_branch: production },
        },
      )
      expect(cleared.status.is_protected).toBe(false)
    })

    test('contract 3.1: a child of a protected branch does not open with the passwords of its parent', async () => {
      await server().write('PATCH', `${store}?update_mask=spec.enable_pg_native_login`, {
        spec: { enable_pg_native_login: true },
      })
      await server().sql(`${branches}/dev`, `create role app login password 'of the parent'`)
      const plain = await make('of-plain', { ttl: '3600s', source_branch: 'dev' })
      await server().write('PATCH', `${branches}/dev?update_mask=spec.is_protected`, {
        spec: { is_protected: true },
      })
      const logAll = (settings: object) =>
        server().write('PATCH', `${store}?update_mask=spec.default_endpoint_settings.pg_settings`, {
          spec: { default_endpoint_settings: { pg_settings: settings } },
        })
      await logAll({ log_statement: 'all', log_min_duration_statement: '0' })
      const safe = await make('of-safe', { ttl: '3600s', source_branch: 'dev' })
      const login = async (name: string, password: string) => {
        const { status } = await ask(server()).read(`${name}/endpoints/primary`)
        const client = new pg.Client({
          host: status.hosts.host,
          port: server().pgPort,
          user: 'app',
          password,
          database: 'databricks_postgres',
          ssl: { ca: server().ca },
        })
        client.on('error', () => undefined)
        await client.connect()
        const { rows } = await client.query('select current_user as me')
        await client.end()
        return rows[0].me
      }
      expect(await login(`${branches}/dev`, 'of the parent')).toBe('app')
      expect(await login(plain.name, 'of the parent')).toBe('app')
      await logAll({})
      // What Postgres was told to log does not hold what the new passwords are checked against.
      const { uid } = await ask(server()).read(`${safe.name}/endpoints/primary`)
      const lines = readFileSync(join(server().stateDir, 'log', `${uid}.log`), 'utf8')
      expect(lines).toContain('statement:')
      expect(lines).not.toMatch(/SCRAM-SHA-256\$|ALTER ROLE app/)
      await expect(login(safe.name, 'of the parent')).rejects.toMatchObject({ code: '28P01' })
      // Whoever manages the branch gives the role a password of its own.
      await server().sql(safe.name, `alter role app password 'of the child'`)
      expect(await login(safe.name, 'of the child')).toBe('app')
      await expect(login(`${branches}/dev`, 'of the child')).rejects.toMatchObject({
        code: '28P01',
      })

      // Without native login a password is told so, not that it is wrong.
      await server().write('PATCH', `${store}?update_mask=spec.enable_pg_native_login`, {
        spec: { enable_pg_native_login: false },
      })
      await expect(login(`${branches}/dev`, 'of the parent')).rejects.toThrow(
        'native postgres login is disabled for this endpoint',
      )
      await server().write('PATCH', `${branches}/dev?update_mask=spec.is_protected`, {
        spec: { is_protected: false },
      })
      await purge('of-plain')
      await purge('of-safe')
    })

    test('contract 1.9, 1.10: size and last activity follow what sessions do', async () => {
      const { read } = ask(server())
      const before = await read(`${branches}/dev`)
      const primary = `${branches}/dev/endpoints/primary`
      const active = Date.parse((await read(primary)).status.last_active_time)
      await server().sql(
        `${branches}/dev`,
        'create table bulk as select repeat(md5(n::text), 30) from generate_series(1, 20000) n',
      )
      await eventually('the size has grown', async () => {
        const { status } = await read(`${branches}/dev`)
        return status.logical_size_bytes > before.status.logical_size_bytes + 10_000_000
      })
      const after = Date.parse((await read(primary)).status.last_active_time)
      expect(after).toBeGreaterThanOrEqual(active)
      const project = Date.parse((await read(store)).status.compute_last_active_time)
      expect(project).toBeGreaterThanOrEqual(after)
      // A reading of the size is no change of the branch.
      expect((await read(`${branches}/dev`)).update_time).toBe(before.update_time)
    })
  })
