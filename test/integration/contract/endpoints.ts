/** Endpoints: the implicit one, adopted, updated, disabled; and those that are refused. */
import { describe, expect, test } from 'vitest'
import { eventually } from '../../fixtures/server.ts'
import {
  ask,
  endpointKeys,
  expectOperation,
  expectRefusal,
  keysOf,
  managedByParent,
  notFound,
  production,
  type ServerOf,
  timestamp,
} from './shapes.ts'

export const endpointContract = (server: ServerOf) =>
  describe('endpoints', () => {
    const endpoints = `${production}/endpoints`
    const primary = `${endpoints}/primary`
    const patch = (mask: string, spec: object) =>
      server().write('PATCH', `${primary}?update_mask=${mask}`, { spec })

    test('contract 1.10: the implicit endpoint leads its list, with a host and names', async () => {
      const { read } = ask(server())
      const { endpoints: listed, ...rest } = await read(endpoints)
      expect(rest).toEqual({})
      const [first] = listed
      expect(keysOf(first)).toEqual(endpointKeys)
      expect(first).toMatchObject({ name: primary, endpoint_id: 'primary', parent: production })
      expect(first.uid).toMatch(/^ep-[a-z]+-[a-z]+-[a-z0-9]{8}$/)
      expect(first.status.hosts.host).not.toContain(':')
      expect(first.status.last_active_time).toMatch(timestamp)
      expect(await read(primary)).toEqual(first)
    })

    test('contract 1.10, rows 5 and 16: sizes and suspension are echoed as they were sent', async () => {
      const { read, patch: raw } = ask(server())
      const before = await read(primary)
      const reply = await raw(`${primary}?update_mask=spec`, {
        spec: {
          autoscaling_limit_min_cu: 0.5,
          autoscaling_limit_max_cu: 2,
          suspend_timeout_duration: '300s',
          group: { min: 1, max: 1 },
          settings: { pg_settings: { work_mem: '9MB' } },
        },
      })
      const name = expectOperation(reply, primary, 'Endpoint')
      const after = await server().follow(name)
      expect(after).toMatchObject({ uid: before.uid, create_time: before.create_time })
      expect(Date.parse(after.update_time)).toBeGreaterThan(Date.parse(before.update_time))
      expect(after.status).toMatchObject({
        autoscaling_limit_min_cu: 0.5,
        autoscaling_limit_max_cu: 2,
        suspend_timeout_duration: '300s',
        settings: { pg_settings: { work_mem: '9MB' } },
        hosts: before.status.hosts,
      })
      // Bundles wait for this (row 16): nothing moves any more when the operation is done.
      expect(after.status).not.toHaveProperty('pending_state')
      expect((await server().sql(production, 'show work_mem')).rows).toEqual([{ work_mem: '9MB' }])

      const leaf = await patch('spec.autoscaling_limit_max_cu', {
        autoscaling_limit_min_cu: 4,
        autoscaling_limit_max_cu: 1,
      })
      expect(leaf.status).toMatchObject({
        autoscaling_limit_min_cu: 0.5,
        autoscaling_limit_max_cu: 1,
        suspend_timeout_duration: '300s',
      })
      for (const mask of ['spec.suspension', 'spec.no_suspension']) {
        const never = await patch(mask, { no_suspension: true })
        expect(never.status).not.toHaveProperty('suspend_timeout_duration')
        expect(never.status).not.toHaveProperty('no_suspension')
        const timed = await patch('spec.suspend_timeout_duration', {
          suspend_timeout_duration: '86400s',
        })
        expect(timed.status.suspend_timeout_duration).toBe('86400s')
      }
    })

    test('contract 1.7, 3.8: the type stays, and sizes stay within the published limits', async () => {
      const { patch: raw } = ask(server())
      const refusal = (message: RegExp) => ({
        status: 400,
        code: 'INVALID_PARAMETER_VALUE',
        message,
      })
      for (const [mask, spec, message] of [
        ['spec.endpoint_type', { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' }, /cannot be changed/],
        ['spec', { autoscaling_limit_min_cu: 0.25 }, /autoscaling_limit_min_cu.*at least 0\.5/],
        ['spec', { autoscaling_limit_min_cu: 1, autoscaling_limit_max_cu: 18 }, /at most 16 above/],
        ['spec', { suspend_timeout_duration: '59s' }, /60s .* 604800s/],
        ['spec', { group: { min: 2, max: 2 } }, /spec\.group\.min/],
      ] as const)
        expectRefusal(await raw(`${primary}?update_mask=${mask}`, { spec }), refusal(message))
    })

    test('contract 1.13: adopting primary keeps it, and a second read-write endpoint is refused', async () => {
      const { read, post } = ask(server())
      const before = await read(primary)
      const spec = { endpoint_type: 'ENDPOINT_TYPE_READ_WRITE', suspend_timeout_duration: '600s' }
      const taken = { status: 409, code: 'ALREADY_EXISTS' }
      expectRefusal(await post(`${endpoints}?endpoint_id=primary`, { spec }), {
        ...taken,
        message: 'endpoint with such id already exists',
      })
      expectRefusal(await post(`${endpoints}?endpoint_id=second`, { spec }), {
        ...taken,
        message: 'read_write endpoint already exists',
      })
      const adopted = await server().write(
        'POST',
        `${endpoints}?endpoint_id=primary&replace_existing=true`,
        { name: primary, parent: production, spec },
      )
      expect(adopted).toMatchObject({
        name: primary,
        uid: before.uid,
        create_time: before.create_time,
        status: {
          ...before.status,
          suspend_timeout_duration: '600s',
          last_active_time: expect.anything(),
        },
      })
      for (const [query, body, field] of [
        ['', { spec }, 'endpoint_id'],
        ['?endpoint_id=x', { spec: {} }, 'spec.endpoint_type'],
      ] as const)
        expectRefusal(await post(`${endpoints}${query}`, body), {
          status: 400,
          code: 'INVALID_PARAMETER_VALUE',
          message: `Field '${field}' is required, expected non-default value (not "")!`,
        })
    })

    test('contract 1.10, 5.5, rows 5 and 16: a read-only endpoint is made, read and deleted', async () => {
      const { read, post, remove, get } = ask(server())
      const reader = `${endpoints}/reader`
      const reply = await post(`${endpoints}?endpoint_id=reader`, {
        spec: {
          endpoint_type: 'ENDPOINT_TYPE_READ_ONLY',
          autoscaling_limit_min_cu: 0.5,
          autoscaling_limit_max_cu: 2,
          suspend_timeout_duration: '300s',
          group: { min: 1, max: 1 },
        },
      })
      const made = await server().follow(expectOperation(reply, reader, 'Endpoint'))
      expect(keysOf(made)).toEqual(endpointKeys)
      expect(made).toEqual(await read(reader))
      const { host } = made.status.hosts
      expect(made.status).toMatchObject({
        endpoint_type: 'ENDPOINT_TYPE_READ_ONLY',
        autoscaling_limit_min_cu: 0.5,
        autoscaling_limit_max_cu: 2,
        suspend_timeout_duration: '300s',
        group: { min: 1, max: 1, enable_readable_secondaries: false },
        hosts: { host, read_only_host: host },
      })
      expect(made.status).not.toHaveProperty('pending_state') // row 16
      const listed = (await read(endpoints)).endpoints
      expect(listed.map((one: { name: string }) => one.name)).toEqual([primary, reader])
      const { endpoints: first, next_page_token } = await read(`${endpoints}?page_size=1`)
      expect(first).toHaveLength(1)
      const second = await read(`${endpoints}?page_token=${next_page_token}`)
      expect(second.endpoints.map((one: { name: string }) => one.name)).toEqual([reader])
      const gone = await remove(reader)
      expect(await server().follow(expectOperation(gone, reader, 'Endpoint'))).toEqual({
        '@type': 'type.googleapis.com/google.protobuf.Empty',
      })
      expectRefusal(await get(reader), notFound('endpoint'))
    })

    test('contract 1.10, 3.8: sizes of a read-only endpoint stay within the limits too', async () => {
      const { post } = ask(server())
      for (const [spec, message] of [
        [{ autoscaling_limit_max_cu: 112 }, /no larger fixed sizes/],
        [{ autoscaling_limit_min_cu: 4, autoscaling_limit_max_cu: 2 }, /must not be below/],
        [{ autoscaling_limit_min_cu: 1, autoscaling_limit_max_cu: 17.5 }, /at most 16 above/],
        [{ suspend_timeout_duration: '59s' }, /60s .* 604800s/],
      ] as const) {
        const reply = await post(`${endpoints}?endpoint_id=refused`, {
          spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY', ...spec },
        })
        expectRefusal(reply, { status: 400, code: 'INVALID_PARAMETER_VALUE', message })
      }
    })

    test('contract 1.2: the compute of an endpoint is listed, in the words of the Python SDK', async () => {
      const { read, get } = ask(server())
      const { status, uid } = await read(primary)
      const listed = await read(`${primary}/compute-instances?page_size=5`)
      const id = uid.replace('ep-', 'compute-')
      expect(listed).toMatchObject({
        compute_instances: [
          {
            name: `${primary}/compute-instances/${id}`,
            compute_instance_id: id,
            compute_host: status.hosts.host,
            current_state: status.current_state,
            role: 'READ_WRITE',
            start_time: expect.stringMatching(timestamp),
          },
        ],
      })
      const [instance] = listed.compute_instances
      expect(await read(instance.name)).toEqual(instance)
      expectRefusal(await get(`${primary}/compute-instances/absent`), {
        status: 404,
        code: 'NOT_FOUND',
        message: /^compute instance id not found/,
      })
    })

    test('contract 1.10: a disabled endpoint goes to sleep and is not woken', async () => {
      const off = await patch('spec.disabled', { disabled: true })
      expect(off.status).toMatchObject({ disabled: true, current_state: 'IDLE' })
      await expect(server().sql(production, 'select 1')).rejects.toThrow('endpoint is disabled')
      const on = await patch('spec.disabled', { disabled: false })
      expect(on.status.disabled).toBe(false)
      expect((await server().sql(production, 'select 1 as one')).rows).toEqual([{ one: 1 }])
      await eventually('it is active', async () => {
        return (await ask(server()).read(primary)).status.current_state === 'ACTIVE'
      })
    })

    test('contract 3.6, 7.4, row 17: the read-write endpoint goes with its branch', async () => {
      const { remove } = ask(server())
      const reply = await remove(primary)
      expectRefusal(reply, {
        status: 400,
        code: 'BAD_REQUEST',
        message:
          "Cannot delete read-write endpoint 'primary'. Read-write endpoints cannot be deleted.",
      })
      expect(reply.body.details[0]).toEqual(managedByParent)
      expectRefusal(await remove(`${endpoints}/absent`), notFound('endpoint'))
      expectRefusal(await ask(server()).get(`${production}x/endpoints/primary`), notFound('branch'))
    })
  })
