/** Projects, in the life they have: create, read, list, update, delete, undelete, purge. */
import { describe, expect, test } from 'vitest'
import {
  api,
  ask,
  branchKeys,
  empty,
  endpointKeys,
  endpointStatusKeys,
  expectOperation,
  expectRefusal,
  keysOf,
  notFound,
  projectKeys,
  projectStatusKeys,
  rootStatusKeys,
  type ServerOf,
  timestamp,
  uuid,
} from './shapes.ts'

export const projectContract = (server: ServerOf) =>
  describe('projects', () => {
    const app = 'projects/app'

    test('contract 1.8, 1.13, rows 1, 4 and 22: a bare create materialises every default', async () => {
      const { post, read } = ask(server())
      const started = await post('projects?project_id=app', {
        // Terraform and the CLI may send what only answers hold (row 22).
        name: 'projects/other',
        uid: 'mine',
        status: { owner: 'mallory' },
      })
      const name = expectOperation(started, app, 'Project')
      const made = await server().follow(name)
      expect(keysOf(made)).toEqual(projectKeys)
      expect(keysOf(made.status)).toEqual(projectStatusKeys)
      const me = await server().api('GET', '/api/2.0/preview/scim/v2/Me')
      expect(made).toMatchObject({
        name: app,
        project_id: 'app',
        status: {
          project_id: 'app',
          display_name: 'app',
          pg_version: 17,
          owner: me.body.userName,
          default_branch: `${app}/branches/production`,
          history_retention_duration: '604800s',
          default_endpoint_settings: {
            autoscaling_limit_min_cu: 1,
            autoscaling_limit_max_cu: 1,
            suspend_timeout_duration: '86400s',
          },
          enable_pg_native_login: false,
          branch_logical_size_limit_bytes: 8_796_093_022_208,
          synthetic_storage_size_bytes: 0,
        },
      })
      expect(made.uid).toMatch(uuid)
      for (const time of [made.create_time, made.update_time, made.status.compute_last_active_time])
        expect(time).toMatch(timestamp)
      expect(await read(app)).toEqual(made)

      const root = await read(`${app}/branches/production`)
      expect(keysOf(root)).toEqual(branchKeys)
      expect(keysOf(root.status)).toEqual(rootStatusKeys)
      expect(root).toMatchObject({ parent: app, branch_id: 'production' })
      expect(root.uid).toMatch(/^br-[a-z]+-[a-z]+-[a-z0-9]{8}$/)
      expect(root.status).toMatchObject({
        branch_id: 'production',
        current_state: 'READY',
        default: true,
        is_protected: false,
      })
      expect(root.status.logical_size_bytes).toBeGreaterThan(1_000_000)

      const primary = await read(`${app}/branches/production/endpoints/primary`)
      expect(keysOf(primary)).toEqual(endpointKeys)
      expect(keysOf(primary.status)).toEqual(endpointStatusKeys)
      expect(primary.status).toMatchObject({
        endpoint_id: 'primary',
        endpoint_type: 'ENDPOINT_TYPE_READ_WRITE',
        current_state: 'ACTIVE',
        disabled: false,
        suspend_timeout_duration: '86400s',
        settings: {},
        group: { min: 1, max: 1, enable_readable_secondaries: false },
      })
      expect(keysOf(primary.status.hosts)).toEqual(['host'])
    })

    test('contract 2.1, 2.2: a finished operation answers again and again with the resource', async () => {
      const { patch, read } = ask(server())
      const reply = await patch(`${app}?update_mask=spec.display_name`, {
        spec: { display_name: 'App' },
      })
      const name = expectOperation(reply, app, 'Project')
      const response = await server().follow(name)
      const operation = await read(name)
      expect(operation).toEqual({ ...reply.body, name, done: true, response })
      expect(response).toEqual(await read(app))
      expectRefusal(
        await ask(server()).get(`projects/other/operations/${name.split('/').at(-1)}`),
        notFound('operation'),
      )
    })

    test('row 1: settings of a create are echoed in status and size the first endpoint', async () => {
      const made = await server().write('POST', 'projects?project_id=sized', {
        spec: {
          display_name: 'Sized',
          pg_version: 17,
          history_retention_duration: '172800s',
          default_endpoint_settings: {
            autoscaling_limit_min_cu: 0.5,
            autoscaling_limit_max_cu: 2,
            suspend_timeout_duration: '300s',
            pg_settings: { work_mem: '8MB' },
          },
          enable_pg_native_login: true,
          custom_tags: [{ key: 'team', value: 'shop' }],
          budget_policy_id: 'b-1',
        },
        initial_branch_spec: { is_protected: true },
        initial_endpoint_spec: { autoscaling_limit_max_cu: 1, no_suspension: true },
      })
      expect(made.spec).toBeUndefined()
      expect(made.initial_branch_spec).toBeUndefined()
      expect(made.status).toMatchObject({
        display_name: 'Sized',
        history_retention_duration: '172800s',
        default_endpoint_settings: {
          autoscaling_limit_min_cu: 0.5,
          autoscaling_limit_max_cu: 2,
          suspend_timeout_duration: '300s',
          pg_settings: { work_mem: '8MB' },
        },
        enable_pg_native_login: true,
        custom_tags: [{ key: 'team', value: 'shop' }],
        budget_policy_id: 'b-1',
      })
      const { read, remove } = ask(server())
      const branch = await read('projects/sized/branches/production')
      expect(branch.status.is_protected).toBe(true)
      const endpoint = await read('projects/sized/branches/production/endpoints/primary')
      expect(endpoint.status).toMatchObject({
        autoscaling_limit_min_cu: 0.5,
        autoscaling_limit_max_cu: 1,
        settings: { pg_settings: { work_mem: '8MB' } },
      })
      // Never suspended shows as an absent duration (contract 1.10).
      expect(endpoint.status).not.toHaveProperty('suspend_timeout_duration')

      // Contract 3.5: a project with a protected branch stays, whichever way it is asked.
      for (const query of ['', '?purge=true']) {
        expectRefusal(await remove(`projects/sized${query}`), {
          status: 400,
          code: 'BAD_REQUEST',
          message: /^cannot delete a project with the protected branch 'production'/,
        })
      }
      await server().write('PATCH', `${branch.name}?update_mask=spec.is_protected`, {
        spec: { is_protected: false },
      })
      expect(await server().write('DELETE', 'projects/sized?purge=true')).toEqual(empty)
    })

    test('contract 1.6, rows 13 and 22: a leaf mask leaves its siblings alone, a wide one absent fields', async () => {
      const { read } = ask(server())
      const before = await read(app)
      const spec = {
        display_name: 'Masked',
        enable_pg_native_login: true,
        history_retention_duration: '259200s',
      }
      const leaf = await server().write('PATCH', `${app}?update_mask=spec.display_name`, { spec })
      expect(leaf.status).toEqual({ ...before.status, display_name: 'Masked' })
      expect(Date.parse(leaf.update_time)).toBeGreaterThan(Date.parse(before.update_time))
      expect(leaf.create_time).toBe(before.create_time)
      expect(leaf.uid).toBe(before.uid)

      const two = 'spec.history_retention_duration,spec.enable_pg_native_login'
      const both = await server().write('PATCH', `${app}?update_mask=${two}`, { spec })
      expect(both.status).toMatchObject({
        history_retention_duration: '259200s',
        enable_pg_native_login: true,
      })
      // Terraform: wide masks, name and parent in the body, null fields left out (row 22).
      const wide = 'initial_branch_spec,initial_endpoint_spec,spec'
      const terraform = await server().write('PATCH', `${app}?update_mask=${wide}`, {
        name: app,
        spec: { display_name: 'Wide', enable_pg_native_login: false },
      })
      expect(terraform.status).toMatchObject({
        display_name: 'Wide',
        enable_pg_native_login: false,
        history_retention_duration: '259200s',
      })
      for (const mask of ['', '?update_mask=', '?update_mask=*']) {
        const { status } = await server().write('PATCH', `${app}${mask}`, {
          spec: { display_name: `All${mask}` },
        })
        expect(status).toMatchObject({
          display_name: `All${mask}`,
          history_retention_duration: '259200s',
        })
      }
    })

    test('contract 1.6, 1.8: suspension is one of two, tags are replaced as a list', async () => {
      const suspension = 'spec.project_default_settings.suspension'
      const never = await server().write('PATCH', `${app}?update_mask=${suspension}`, {
        spec: { default_endpoint_settings: { no_suspension: true } },
      })
      expect(never.status.default_endpoint_settings).toEqual({
        autoscaling_limit_min_cu: 1,
        autoscaling_limit_max_cu: 1,
        no_suspension: true,
      })
      const timeout = 'spec.default_endpoint_settings.suspend_timeout_duration'
      const again = await server().write('PATCH', `${app}?update_mask=${timeout}`, {
        spec: { default_endpoint_settings: { suspend_timeout_duration: '60s' } },
      })
      expect(again.status.default_endpoint_settings).toEqual({
        autoscaling_limit_min_cu: 1,
        autoscaling_limit_max_cu: 1,
        suspend_timeout_duration: '60s',
      })
      const tagged = await server().write('PATCH', `${app}?update_mask=spec.custom_tags`, {
        spec: { custom_tags: [{ key: 'a', value: '1' }] },
      })
      expect(tagged.status.custom_tags).toEqual([{ key: 'a', value: '1' }])
      const cleared = await server().write('PATCH', `${app}?update_mask=spec.custom_tags`, {
        spec: { custom_tags: [] },
      })
      expect(cleared.status).not.toHaveProperty('custom_tags')
    })

    test('contract 1.7: the Postgres version is fixed at creation', async () => {
      expectRefusal(
        await ask(server()).patch(`${app}?update_mask=spec.pg_version`, {
          spec: { pg_version: 16 },
        }),
        {
          status: 400,
          code: 'INVALID_PARAMETER_VALUE',
          message: /^Field 'spec.pg_version' cannot/,
        },
      )
    })

    test('contract 7.2: an empty id, a bad id and a taken id', async () => {
      const { post } = ask(server())
      for (const query of ['', '?project_id=']) {
        expectRefusal(await post(`projects${query}`), {
          status: 400,
          code: 'INVALID_PARAMETER_VALUE',
          message: `Field 'project_id' is required, expected non-default value (not "")!`,
        })
      }
      expectRefusal(await post('projects?project_id=1app'), {
        status: 400,
        code: 'INVALID_PARAMETER_VALUE',
        message: /^Field project_id must match pattern \^\[a-z\].*, got '1app'\./,
      })
      // That it is there is said before what is wrong with its settings.
      expectRefusal(
        await post('projects?project_id=app', {
          spec: { default_endpoint_settings: { autoscaling_limit_min_cu: 32 } },
        }),
        {
          status: 409,
          code: 'ALREADY_EXISTS',
          message: 'project with such id already exists in the workspace',
        },
      )
    })

    test('contract 1.5: lists go by name, page by page, and end without a token', async () => {
      const { read, get } = ask(server())
      const whole = await read('projects')
      expect(keysOf(whole)).toEqual(['projects'])
      const names = whole.projects.map(({ name }: { name: string }) => name)
      expect(names).toEqual([...names].sort())
      const seen: string[] = []
      let token: string | undefined
      do {
        const page = await read(
          `projects?page_size=1${token === undefined ? '' : `&page_token=${token}`}`,
        )
        seen.push(...page.projects.map(({ name }: { name: string }) => name))
        token = page.next_page_token
      } while (token !== undefined && seen.length <= names.length)
      expect(seen).toEqual(names)
      expect((await read('projects?page_size=0')).projects).toHaveLength(names.length)
      expect((await read('projects?page_size=100000')).projects).toHaveLength(names.length)
      expectRefusal(await get('projects?page_size=-1'), {
        status: 400,
        code: 'INVALID_PARAMETER_VALUE',
        message: /page_size/,
      })
      expectRefusal(await get('projects?page_token=bm90LW91cnM'), {
        status: 400,
        code: 'INVALID_PARAMETER_VALUE',
        message: /page_token/,
      })
    })

    test('contract 3.6, rows 18 and 29: a deleted project hides, holds its id, and comes back', async () => {
      const { post, get, read, remove } = ask(server())
      const before = await read(app)
      const name = expectOperation(await remove(app), app, 'Project')
      expect(await server().follow(name)).toEqual(empty)
      expectRefusal(await get(app), notFound('project'))
      expectRefusal(await get(`${app}/branches`), notFound('project'))
      expectRefusal(await get(`${app}/branches/production`), notFound('project'))
      expectRefusal(await get(`${app}/branches/production/endpoints/primary`), notFound('project'))
      expectRefusal(await remove(app), notFound('project'))
      const named = ({ projects }: { projects: { name: string }[] }) =>
        projects.filter((project) => project.name === app)
      expect(named(await read('projects'))).toEqual([])
      const [shown] = named(await read('projects?show_deleted=true')) as unknown as [typeof before]
      expect(keysOf(shown)).toEqual([...projectKeys, 'delete_time', 'purge_time'].sort())
      const kept = Date.parse(shown.purge_time) - Date.parse(shown.delete_time)
      expect(kept).toBe(7 * 86_400_000)
      expectRefusal(await post('projects?project_id=app'), {
        status: 409,
        code: 'ALREADY_EXISTS',
        message: 'project with such id already exists in the workspace',
      })
      // The operation outlives the resource (contract 2.3).
      expect((await read(name)).response).toEqual(empty)

      const undelete = expectOperation(await post(`${app}/undelete`), app, 'Project')
      const back = await server().follow(undelete)
      expect(keysOf(back)).toEqual(projectKeys)
      expect(back).toMatchObject({ uid: before.uid, create_time: before.create_time })
      expect((await server().sql(`${app}/branches/production`, 'select 1 as one')).rows).toEqual([
        { one: 1 },
      ])
      expectRefusal(await post(`${app}/undelete`), {
        status: 400,
        code: 'INVALID_STATE',
        message: /^The project is not deleted\./,
      })
    })

    test('contract 3.6, row 24: a purge is for good and frees the id, after a delete as well', async () => {
      const { post, get, read } = ask(server())
      await server().write('DELETE', app)
      const purge = await server().api('DELETE', `${api}/${app}?purge=true`)
      const name = expectOperation(purge, app, 'Project')
      expect(await server().follow(name)).toEqual(empty)
      const { projects } = await read('projects?show_deleted=true')
      expect(projects.map((project: { name: string }) => project.name)).not.toContain(app)
      expectRefusal(await post(`${app}/undelete`), notFound('project'))
      expectRefusal(await get(app), notFound('project'))
      expect((await read(name)).done).toBe(true)
      const made = await server().write('POST', 'projects?project_id=app')
      expect(made.status.display_name).toBe('app')
      await server().write('DELETE', `${app}?purge=true`)
    })
  })
